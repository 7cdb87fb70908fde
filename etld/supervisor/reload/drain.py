"""Refusing new events, and waiting until the accepted ones are processed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from etld.control.verbs import Answer, VerbError
from etld.supervisor.slots.machine import SlotState
from etld.util.text import thousands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.supervisor.processes.tree import ProcessTree
    from etld.supervisor.reload.operations import Operations, Work

#: Lags are reported once a second: what was accepted last must have been seen before "nothing" counts.
_FIRST_LOOK = 1.0
_QUIET = 2.0


def drain(tree: ProcessTree, operations: Operations, timeout: float | None) -> Answer:
    """Refuse new events in ingest; done when nothing has been waiting for two seconds."""
    timeout = operations.limit if timeout is None else timeout
    # Its own word on what still waits comes first.
    return operations.start("drain", _drain(tree, timeout), lasting=False, within=timeout + _QUIET)


def _drain(tree: ProcessTree, timeout: float) -> Work:
    paused = [slot.name for slot in tree.slots.listening()]
    for name in paused:
        tree.pause(name, paused=True)
    began = time.monotonic()
    quiet_since = began + _FIRST_LOOK
    while time.monotonic() - quiet_since < _QUIET:
        for slot in filter(None, map(tree.slots.get, paused)):
            if not slot.paused:
                raise VerbError("resumed", f"{slot.name} accepts events again, so the drain has ended")
        behind = _behind(tree)
        if behind:
            quiet_since = time.monotonic()
        if time.monotonic() - began > timeout:
            reasons = "; ".join(behind) or f"idle for less than {_QUIET:g} s"
            raise VerbError("timeout", f"not drained within {timeout:g} s: {reasons}{_stays(paused)}")
        yield
    return {"paused": paused, "totals": tree.metrics.totals()}


def _behind(tree: ProcessTree) -> list[str]:
    """What is not finished, in words; a role that is down may have events waiting that nobody counts.

    Raises VerbError for one that was given up: waiting would not help.
    """
    found = []
    for slot in tree.slots.wanted():
        kind = tree.kinds[slot.kind]
        if kind.embedded or kind.listens or kind.aside or slot.settled:
            continue
        if slot.state is SlotState.FATAL:
            raise VerbError("failed", f"not drained: {slot.name} is fatal: {slot.last_error}")
        found.append(f"{slot.name} is {slot.state}")
    for kind_name, source, events in tree.metrics.waiting():
        found.append(f"{source} has {thousands(events)} events for the {kind_name}")
    return found


def _stays(paused: Sequence[str]) -> str:
    return "; ingest stays paused (`etld resume ingest` lets it go on)" if paused else ""
