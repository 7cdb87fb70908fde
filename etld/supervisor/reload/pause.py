"""Pausing workers, and letting them go on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from etld.control.verbs import Answer, Reply, VerbError
from etld.supervisor.reload import targets

if TYPE_CHECKING:
    from etld.supervisor.processes.tree import ProcessTree
    from etld.supervisor.slots.table import SlotTable

#: Seconds; shorter than a client's patience with the control socket.
REST_WITHIN = 8.0


def pause(tree: ProcessTree, target: str) -> Answer:
    """Answers when the paused workers have finished what they had in hand; `waiting` are those that have not."""
    found = targets.find(tree.slots, target, one_shots=False)
    if any(tree.kinds[slot.kind].embedded for slot in found):
        raise VerbError("refused", f"{target}: an embedded part cannot be paused")
    return _at_rest(tree.slots, _set(tree, [slot.name for slot in found], paused=True))


def resume(tree: ProcessTree, target: str) -> Answer:
    """Let paused workers go on."""
    found = targets.find(tree.slots, target, one_shots=False)
    return {"workers": _set(tree, [slot.name for slot in found], paused=False)}


def _set(tree: ProcessTree, names: list[str], *, paused: bool) -> list[str]:
    for name in names:
        tree.pause(name, paused=paused)
    return names


def _at_rest(slots: SlotTable, names: Sequence[str]) -> Answer:
    deadline = time.monotonic() + REST_WITHIN

    def later() -> Reply | None:
        found = filter(None, map(slots.get, names))
        busy = [slot.name for slot in found if slot.alive and slot.paused and not slot.rests]
        if busy and time.monotonic() < deadline:
            return None
        return {"workers": list(names), "waiting": busy}

    return later
