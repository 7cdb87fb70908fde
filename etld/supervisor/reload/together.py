"""Workers that take a change of their records' treatment at the same positions of the topics, or not at all.

Processor and aggregator read the same records on their own. They are paused, and each goes on until the offsets
that the furthest of them has reached; then all are replaced while they are paused.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from etld.control.verbs import VerbError
from etld.supervisor.reload.rolling import until_settled
from etld.supervisor.slots.machine import SlotState

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from etld.supervisor.processes.tree import ProcessTree
    from etld.supervisor.reload.operations import Operations
    from etld.supervisor.slots.machine import WorkerSlot
    from etld.worker import Positions

log = logging.getLogger("etld.supervisor")

#: Seconds that they have to finish what is in hand, and then the one that is behind to come to the others.
_REST_WITHIN, _MEET_WITHIN = 60.0, 600.0


class Together:
    """The named workers, from their pause until they go on; those that were paused by hand stay so."""

    def __init__(self, tree: ProcessTree, operations: Operations, names: Sequence[str]) -> None:
        self._tree = tree
        self._operations = operations
        self._paused = [name for name in names if tree.slots[name].paused]
        self._names = list(names)

    def meet(self) -> Generator[None, None, None]:
        """Pause them, and wait until all stand at the same positions. Raises VerbError when they do not."""
        if not self._names:
            return
        self._operations.tell("reload: waiting until all that read the same records stand at one position")
        for name in self._names:
            self._tree.pause_at(name, {})
        until = time.monotonic() + _REST_WITHIN
        while True:
            stand = {slot.name: self._tree.positions(slot.name) for slot in self._working()}
            known = {name: positions for name, positions in stand.items() if positions is not None}
            if len(known) == len(stand):
                behind = _behind(known)
                if not behind:
                    return
                for name, positions in behind.items():
                    self._tree.pause_at(name, positions)
                until = time.monotonic() + _MEET_WITHIN
            elif time.monotonic() > until:
                busy = ", ".join(name for name, positions in stand.items() if positions is None)
                raise VerbError("failed", f"{busy} did not come to rest in time; the old configuration stays")
            yield

    def replace(self, names: Sequence[str]) -> Generator[None, None, None]:
        """Replace those of them, all at once; they come up paused. Raises VerbError when one does not come up."""
        for name in names:
            self._tree.renew(name, time.monotonic(), "reload")
        yield from until_settled(self._tree, names)

    def go_on(self) -> None:
        """Let them read again."""
        for name in self._names:
            slot = self._tree.slots.get(name)
            if slot is not None and slot.wanted and name not in self._paused:
                self._tree.pause(name, paused=False)

    def _working(self) -> list[WorkerSlot]:
        """Those that read: one that was given up stays where it is."""
        slots = filter(None, map(self._tree.slots.get, self._names))
        return [slot for slot in slots if slot.wanted and slot.state is not SlotState.FATAL]


def _behind(stand: Mapping[str, Positions]) -> dict[str, Positions]:
    """How far those have to go that are not where another of them is."""
    furthest: Positions = {}
    for positions in stand.values():
        for key, offset in positions.items():
            furthest[key] = max(offset, furthest.get(key, 0))
    return {
        name: {key: furthest[key] for key in positions}
        for name, positions in stand.items()
        if any(offset < furthest[key] for key, offset in positions.items())
    }
