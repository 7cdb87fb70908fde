"""Replacing workers, and waiting until slots are where they are meant to be."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from etld.control.verbs import VerbError
from etld.supervisor.slots.machine import SlotState

if TYPE_CHECKING:
    from etld.supervisor.processes.tree import ProcessTree
    from etld.supervisor.reload.operations import Operations, Waiting
    from etld.supervisor.slots.table import SlotTable

_ENOUGH_FAILURES = 3


def roll(tree: ProcessTree, operations: Operations, names: Sequence[str], why: str) -> Waiting:
    """Replace workers one by one, the next when the last is ready; stops at one that does not come up."""
    for number, name in enumerate(names, 1):
        slot = tree.slots.get(name)
        if slot is not None and slot.wanted:
            operations.tell(f"{why}: {name} ({number} of {len(names)})")
            tree.renew(name, time.monotonic(), why)
            yield from until_settled(tree, [name])


def until_settled(tree: ProcessTree, names: Iterable[str]) -> Waiting:
    """Wait until these slots are up. Raises VerbError when one is given up, or fails again and again."""
    for name in names:
        while True:
            yield
            slot = tree.slots.get(name)
            if slot is None or (slot.settled and not slot.stands_in and not tree.is_retiring(name)):
                break
            if slot.state is SlotState.FATAL or slot.failures >= _ENOUGH_FAILURES or slot.stands_in:
                tree.reinstate(name)
                stays = "; the process before serves on" if tree.slots[name].stands_in else ""
                raise VerbError("failed", f"{name} does not come up: {slot.last_error}{stays}")


def until_run(slots: SlotTable, name: str, otherwise: str) -> Waiting:
    """Wait until a one-shot has succeeded. Raises VerbError with its error and what that means."""
    while (slot := slots[name]).state is not SlotState.DONE:
        if slot.state is SlotState.FATAL or slot.failures:
            raise VerbError("failed", f"{slot.last_error}; {otherwise}")
        yield
