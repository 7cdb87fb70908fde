"""The end: ranks in reverse order, each after the one above is gone, all before one deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from etld.supervisor.slots import policy

if TYPE_CHECKING:
    from etld.supervisor.network.listeners import Listeners
    from etld.supervisor.processes.tree import Tree

#: Of the time there is, what the ground (database, broker) keeps for itself.
_GROUND_SHARE = 1 / 3
#: Ingest answers what it has begun; then nobody new gets in, and once it has taken who has, the port refuses.
_LAST_CALL = 0.2
_REFUSAL = 0.4
_QUICK_ROLES, _QUICK_GROUND = 1.0, 6.0


class Shutdown:
    """Asks rank after rank to stop."""

    def __init__(self, tree: Tree, timeout: float, listeners: Listeners) -> None:
        self._tree = tree
        now = time.monotonic()
        self._doors: list[tuple[float, Callable[[], None]]] = [
            (now + _LAST_CALL, listeners.hush),
            (now + _REFUSAL, listeners.refuse),
        ]
        self._deadline = now + timeout
        self._roles_deadline = now + timeout * (1 - _GROUND_SHARE)

    def advance(self, now: float) -> None:
        """Ask whose turn it is."""
        while self._doors and now >= self._doors[0][0]:
            self._doors.pop(0)[1]()
        tree = self._tree
        for slot in list(tree.slots.values()):
            if not slot.alive:
                tree.stop(slot.name, now, 0.0)
        for pid in list(tree.retiring):
            if tree.retiring[pid] is None:
                tree.release(tree.processes[pid].name, now)
        for slot in policy.next_to_stop(tree.slots.values()):
            if slot.wanted:
                ground = slot.rank < policy.FIRST_ROLE_RANK
                tree.stop(slot.name, now, (self._deadline if ground else self._roles_deadline) - now)

    def hasten(self, now: float) -> None:
        """Whoever asks twice does not want to wait."""
        self._roles_deadline = min(self._roles_deadline, now + _QUICK_ROLES)
        self._deadline = min(self._deadline, now + _QUICK_GROUND)
        for slot in self._tree.slots.values():
            if slot.kill_at is not None:
                ground = slot.rank < policy.FIRST_ROLE_RANK
                limit = self._deadline if ground else self._roles_deadline
                self._tree.slots[slot.name] = replace(slot, kill_at=min(slot.kill_at, limit))
        for pid in self._tree.retiring:
            self._tree.retiring[pid] = now
