"""The end: ranks in reverse order, each after the one above is gone, all before one deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from etld.supervisor.slots import policy

if TYPE_CHECKING:
    from etld.supervisor.network.listeners import Listeners
    from etld.supervisor.processes.tree import ProcessTree
    from etld.supervisor.slots.machine import WorkerSlot

#: The share of the time that is kept for the embedded database and broker.
_EMBEDDED_SHARE = 1 / 3
#: Seconds after which new connections are ignored, and then refused: ingest answers what it has begun.
_IGNORE_AFTER = 0.2
_REFUSE_AFTER = 0.4
_QUICK_ROLES, _QUICK_EMBEDDED = 1.0, 6.0


class Shutdown:
    """Asks rank after rank to stop."""

    def __init__(self, tree: ProcessTree, timeout: float, listeners: Listeners) -> None:
        self._tree = tree
        now = time.monotonic()
        self._listener_steps: list[tuple[float, Callable[[], None]]] = [
            (now + _IGNORE_AFTER, listeners.ignore_new),
            (now + _REFUSE_AFTER, listeners.refuse),
        ]
        self._deadline = now + timeout
        self._roles_deadline = now + timeout * (1 - _EMBEDDED_SHARE)

    def advance(self, now: float) -> None:
        """Ask whose turn it is."""
        while self._listener_steps and now >= self._listener_steps[0][0]:
            self._listener_steps.pop(0)[1]()
        tree = self._tree
        for slot in tree.slots:
            if not slot.alive:
                tree.stop(slot.name, now, 0.0, "daemon")
        for process in tree.children:
            tree.release(process.name)
        for slot in policy.next_to_stop(tree.slots):
            if slot.wanted:
                tree.stop(slot.name, now, self._deadline_of(slot) - now, "daemon")

    def hasten(self, now: float) -> None:
        """Asked a second time: end soon."""
        self._roles_deadline = min(self._roles_deadline, now + _QUICK_ROLES)
        self._deadline = min(self._deadline, now + _QUICK_EMBEDDED)
        for slot in self._tree.slots:
            if slot.kill_at is not None:
                self._tree.slots.put(replace(slot, kill_at=min(slot.kill_at, self._deadline_of(slot))))
        for pid in self._tree.retiring:
            self._tree.retiring[pid] = now

    def _deadline_of(self, slot: WorkerSlot) -> float:
        return self._deadline if slot.rank < policy.FIRST_ROLE_RANK else self._roles_deadline
