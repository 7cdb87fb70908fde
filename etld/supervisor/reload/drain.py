"""Refusing new events, and waiting until the accepted ones are processed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from etld.control.daemon import Answer, VerbError
from etld.supervisor.slots.machine import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.supervisor.reload.operations import Work
    from etld.supervisor.supervisor import Supervisor

#: Lags are reported once a second: what was accepted last must have been seen before "nothing" counts.
_FIRST_LOOK = 1.0
_QUIET = 2.0


def drain(daemon: Supervisor, timeout: float | None) -> Answer:
    """Refuse new events at the door; done when nothing has been waiting for two seconds."""
    return daemon.operations.start("drain", _drain(daemon, timeout), lasting=False)


def _drain(daemon: Supervisor, timeout: float | None) -> Work:
    tree = daemon.tree
    doors = [slot.name for slot in tree.slots.values() if daemon.kinds[slot.kind].listens]
    for name in doors:
        tree.pause(name, paused=True)
    began = time.monotonic()
    quiet_since = began + _FIRST_LOOK
    while time.monotonic() - quiet_since < _QUIET:
        for name in doors:
            if name in tree.slots and not tree.slots[name].paused:
                raise VerbError("resumed", f"{name} accepts events again, so the drain has ended")
        behind = _behind(daemon)
        if behind:
            quiet_since = time.monotonic()
        if timeout is not None and time.monotonic() - began > timeout:
            told = "; ".join(behind) or "all was quiet only just now"
            raise VerbError("timeout", f"not drained within {timeout:g} s: {told}{_stays(doors)}")
        yield
    return {"paused": doors, "totals": tree.ledger.totals()}


def _behind(daemon: Supervisor) -> list[str]:
    """What is not finished, in words; a role that is down may have events waiting that nobody counts.

    Raises VerbError for one that was given up: waiting would not help.
    """
    found = []
    for slot in daemon.tree.slots.values():
        kind = daemon.kinds[slot.kind]
        if not slot.wanted or kind.embedded or kind.listens or slot.settled:
            continue
        if slot.state is State.FATAL:
            raise VerbError("failed", f"not drained: {slot.name} is fatal: {slot.last_error}")
        found.append(f"{slot.name} is {slot.state}")
    for kind_name, source, events in daemon.tree.ledger.waiting():
        found.append(f"{source} has {events:,} events for the {kind_name}")
    return found


def _stays(doors: Sequence[str]) -> str:
    return "; ingest stays paused (`etld resume ingest` lets it go on)" if doors else ""
