"""The state machine of one worker slot: frozen data, transitions as pure functions.

    WAITING --spawned--> STARTING --ready--> RUNNING
       ^                    |                   |
       |                    +----- exited ------+----> BACKOFF (ended early) --tick--> spawned
       +---- replaced, or ended after a healthy life      | too often, or at its own word
                                                          v
                                                        FATAL

A slot that is not wanted any more goes STOPPING, then STOPPED; a one-shot that succeeds is DONE.
Times are monotonic seconds.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from enum import StrEnum

from etld.util.exit_status import describe
from etld.worker import FATAL_EXIT

#: Whose successor was given up is not replaced at once again for its age or size.
_NEXT_TRY = 60.0


class SlotState(StrEnum):
    """Where a slot is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    FATAL = "fatal"
    DONE = "done"
    STOPPED = "stopped"


class Action(StrEnum):
    """What tick() wants done."""

    SPAWN = "spawn"
    ABORT = "abort"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the supervisor waits for what, in seconds."""

    start_seconds: float = 5.0
    #: 0: never given up.
    max_failures: int = 5
    backoff_first: float = 0.25
    backoff_max: float = 30.0
    hang: float = 10.0
    #: Before the first word (imports on a busy machine), patience is this many times `hang`.
    first_word: float = 3.0
    #: From SIGABRT to SIGKILL: time to write the stacks.
    dump: float = 2.0


@dataclass(frozen=True, slots=True)
class WorkerSlot:
    """One place for one worker process. `wanted` false: it is to go.

    `loads`: its process may be forked, which loads its role and waits for its turn; `admitted`: its turn has come.
    """

    name: str
    kind: str
    index: int = 0
    rank: int = 2
    event_type: str | None = None
    one_shot: bool = False
    state: SlotState = SlotState.WAITING
    pid: int | None = None
    spawned: float = 0.0
    ready: float | None = None
    heard: float | None = None
    #: Seconds since it was heard (or began) in which it could not have said anything: it had no CPU, or we did not.
    excused: float = 0.0
    not_before: float = 0.0
    failures: int = 0
    restarts: int = 0
    #: How many of its processes ended unasked.
    crashes: int = 0
    last_error: str = ""
    #: Its code of the catalogue, "" where it has none.
    error_code: str = ""
    #: Its process before crashed, hung or grew too large: nobody from outside ended it.
    by_itself: bool = False
    paused: bool = False
    #: Has the worker said that a pause has begun?
    rests: bool = False
    loads: bool = False
    admitted: bool = False
    wanted: bool = True
    #: The worker said that another start would not help.
    doomed: bool = False
    #: And that its daemon has no place beside another one.
    no_place: bool = False
    replacing: str = ""
    #: Its process is the one before: the successor was given up, as `last_error` says.
    stands_in: bool = False
    kill_at: float | None = None

    @property
    def alive(self) -> bool:
        """Has it a process?"""
        return self.pid is not None

    @property
    def settled(self) -> bool:
        """Is it where it is meant to be?"""
        return self.state in (SlotState.RUNNING, SlotState.DONE) and not self.replacing


def spawned(slot: WorkerSlot, pid: int, now: float) -> WorkerSlot:
    """A process was forked for it."""
    return replace(
        slot,
        state=SlotState.STARTING,
        pid=pid,
        spawned=now,
        ready=None,
        heard=None,
        excused=0.0,
        kill_at=None,
        doomed=False,
        rests=False,
    )


def is_ready(slot: WorkerSlot, now: float) -> WorkerSlot:
    """The worker said READY."""
    slot = is_heard(slot, now)
    if slot.state is SlotState.STARTING and not slot.one_shot:
        return replace(slot, state=SlotState.RUNNING, ready=now)
    return slot


def is_heard(slot: WorkerSlot, now: float) -> WorkerSlot:
    """The worker said anything."""
    return replace(slot, heard=now, excused=0.0)


def silence(slot: WorkerSlot, now: float) -> float:
    """Seconds in which it could have said something, and has not."""
    return now - (slot.spawned if slot.heard is None else slot.heard) - slot.excused


def excuse(slot: WorkerSlot, seconds: float, now: float) -> WorkerSlot:
    """It could not have said anything for so long: of all that has passed, at most."""
    return replace(slot, excused=slot.excused + min(seconds, max(0.0, silence(slot, now))))


def is_at_rest(slot: WorkerSlot) -> WorkerSlot:
    """The worker said that nothing is in its hands any more."""
    return replace(slot, rests=slot.paused)


def complained(
    slot: WorkerSlot, message: str, code: str = "", *, fatal: bool = False, no_place: bool = False
) -> WorkerSlot:
    """The worker said why it is about to end, with a code of the catalogue."""
    return replace(slot, last_error=message, error_code=code, doomed=slot.doomed or fatal, no_place=no_place)


def stop(slot: WorkerSlot, now: float, grace: float) -> WorkerSlot:
    """It is to go, within `grace` seconds."""
    if not slot.alive:
        return replace(slot, wanted=False, state=SlotState.STOPPED)
    return replace(slot, wanted=False, state=SlotState.STOPPING, kill_at=now + grace, replacing="")


def renew(slot: WorkerSlot, now: float, grace: float, why: str) -> WorkerSlot:
    """Another process is to take its place; also revives a slot that is fatal or backing off."""
    if not slot.alive:
        return replace(slot, state=SlotState.WAITING, failures=0, not_before=now, replacing="")
    return replace(slot, state=SlotState.STOPPING, kill_at=now + grace, replacing=why, failures=0)


def vacate(slot: WorkerSlot, now: float) -> WorkerSlot:
    """Its process lives on outside of it, and another is to be started beside that."""
    return replace(
        slot,
        state=SlotState.WAITING,
        pid=None,
        not_before=now,
        failures=0,
        ready=None,
        kill_at=None,
        stands_in=False,
        restarts=slot.restarts + 1,
    )


def reinstated(slot: WorkerSlot, pid: int, began: float, now: float) -> WorkerSlot:
    """Its successor was given up: the process that lives outside of it takes the place again."""
    return replace(
        slot,
        state=SlotState.RUNNING,
        pid=pid,
        spawned=began,
        ready=began,
        heard=now,
        excused=0.0,
        failures=0,
        kill_at=None,
        doomed=False,
        stands_in=True,
        not_before=now + _NEXT_TRY,
    )


def exited(slot: WorkerSlot, code: int, now: float, patience: Patience, jitter: float = 1.0) -> WorkerSlot:
    """Its process ended: `code` is negative for a signal, `jitter` a factor around 1 for the delay."""
    by_itself = code != 0 and (code != -signal.SIGKILL or slot.kill_at is not None)
    gone = replace(slot, pid=None, kill_at=None, ready=None, replacing="", stands_in=False, by_itself=by_itself)
    if not slot.wanted:
        return replace(gone, state=SlotState.STOPPED)
    if slot.one_shot and code == 0 and not slot.replacing:
        return replace(gone, state=SlotState.DONE, failures=0, last_error="", error_code="")
    if slot.replacing:
        return replace(gone, state=SlotState.WAITING, not_before=now, failures=0, restarts=slot.restarts + 1)
    gone = replace(gone, crashes=slot.crashes + 1)
    # What it said, or, where we killed it, what we noted; else only how it ended is known.
    if not (slot.last_error and (code > 0 or slot.kill_at is not None)):
        gone = replace(gone, last_error=describe(code), error_code="")
    if slot.doomed or code == FATAL_EXIT:
        return replace(gone, state=SlotState.FATAL, doomed=True)
    gone = replace(gone, restarts=slot.restarts + 1)
    if slot.ready is not None and now - slot.spawned >= patience.start_seconds:
        return replace(gone, state=SlotState.WAITING, failures=0, not_before=now)
    if slot.kill_at is None and code == -signal.SIGKILL:
        # Somebody else killed it: no sign that it cannot start, however often it happens. One that had not
        # begun to serve waits longer, since the kernel may have done it for want of memory.
        pause = patience.backoff_first * (1 if slot.ready is not None else 4)
        return replace(gone, state=SlotState.BACKOFF, not_before=now + pause * jitter)
    failures = slot.failures + 1
    if failures >= patience.max_failures > 0 and not slot.one_shot:
        return replace(gone, state=SlotState.FATAL, failures=failures)
    delay = min(patience.backoff_max, patience.backoff_first * 2.0 ** min(failures - 1, 30)) * jitter
    return replace(gone, state=SlotState.BACKOFF, failures=failures, not_before=now + delay)


def tick(slot: WorkerSlot, now: float, patience: Patience) -> tuple[WorkerSlot, Action | None]:
    """What is due by now."""
    if slot.state in (SlotState.WAITING, SlotState.BACKOFF):
        return slot, Action.SPAWN if slot.loads and now >= slot.not_before else None
    if not slot.alive:
        return slot, None
    if slot.kill_at is not None:
        if now >= slot.kill_at:
            return replace(slot, kill_at=now + 1.0), Action.KILL
        return slot, None
    silent = silence(slot, now)
    if silent > patience.hang * (patience.first_word if slot.heard is None else 1.0):
        besides = f" and {slot.excused:.0f} s more, in which it had no CPU" if slot.excused >= 1 else ""
        why = f"hung: no message for {silent:.0f} s{besides}"
        return replace(slot, last_error=why, error_code="", kill_at=now + patience.dump), Action.ABORT
    if slot.failures and slot.ready is not None and now - slot.spawned >= patience.start_seconds:
        slot = replace(slot, failures=0)
    return slot, None


def due(slot: WorkerSlot) -> float | None:
    """When tick() should be called again, besides once a second."""
    if slot.state in (SlotState.WAITING, SlotState.BACKOFF) and slot.loads:
        return slot.not_before
    return slot.kill_at
