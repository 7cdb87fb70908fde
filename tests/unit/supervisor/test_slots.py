"""The slot machine, as histories: no forks, no sleeps."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace

import pytest

from etld.supervisor.slots import machine
from etld.supervisor.slots.machine import Action, SlotState, WorkerSlot
from support.slot_histories import PATIENCE, live

Event = Callable[[WorkerSlot, float], WorkerSlot]


def nothing(slot: WorkerSlot, _now: float) -> WorkerSlot:
    return slot


def spawn(slot: WorkerSlot, now: float) -> WorkerSlot:
    return machine.spawned(slot, 100 + int(now), now)


def ready(slot: WorkerSlot, now: float) -> WorkerSlot:
    return machine.is_ready(slot, now)


def beat(slot: WorkerSlot, now: float) -> WorkerSlot:
    return machine.is_heard(slot, now)


def exit_with(code: int) -> Event:
    return lambda slot, now: machine.exited(slot, code, now, PATIENCE)


def says(message: str, *, fatal: bool = False) -> Event:
    return lambda slot, _now: machine.complained(slot, message, fatal=fatal)


def stop(slot: WorkerSlot, now: float) -> WorkerSlot:
    return machine.stop(slot, now, 4.0)


def renew(slot: WorkerSlot, now: float) -> WorkerSlot:
    return machine.renew(slot, now, 4.0, "reload")


S, A = SlotState, Action
killed = exit_with(-signal.SIGKILL)


def test_a_one_shot_that_is_replaced_has_not_done_its_work() -> None:
    """It ends well because it is asked to; and what went wrong before is not counted against the next."""
    slot = live(
        [
            (0, spawn, S.STARTING, None),
            (1, exit_with(1), S.BACKOFF, None),
            (3, spawn, S.STARTING, None),
            (4, renew, S.STOPPING, None),
        ],
        one_shot=True,
    )
    assert (slot.failures, exit_with(0)(slot, 5).state) == (0, S.WAITING)


def test_a_healthy_life() -> None:
    """Waiting, starting, running, stopping, stopped."""
    slot = live(
        [
            (0, nothing, S.WAITING, A.SPAWN),
            (0, spawn, S.STARTING, None),
            (1, ready, S.RUNNING, None),
            (9, beat, S.RUNNING, None),
            (10, stop, S.STOPPING, None),
            (11, exit_with(0), S.STOPPED, None),
        ]
    )
    assert (slot.restarts, slot.failures, slot.last_error) == (0, 0, "")


def test_a_worker_killed_after_a_healthy_life_is_back_at_once() -> None:
    """No backoff for what had worked."""
    slot = live(
        [
            (0, spawn, S.STARTING, None),
            (1, ready, S.RUNNING, None),
            (7, killed, S.WAITING, A.SPAWN),
            (7, spawn, S.STARTING, None),
            (8, ready, S.RUNNING, None),
        ]
    )
    assert (slot.restarts, slot.last_error) == (1, "killed by SIGKILL")


def test_early_exits_back_off_and_end_fatal() -> None:
    """1 s, 2 s, then given up."""
    live(
        [
            (0, spawn, S.STARTING, None),
            (0, exit_with(1), S.BACKOFF, None),
            (0.9, nothing, S.BACKOFF, None),
            (1.0, nothing, S.BACKOFF, A.SPAWN),
            (1, spawn, S.STARTING, None),
            (1, ready, S.RUNNING, None),
            (2, exit_with(1), S.BACKOFF, None),
            (3.9, nothing, S.BACKOFF, None),
            (4, nothing, S.BACKOFF, A.SPAWN),
            (4, spawn, S.STARTING, None),
            (4, exit_with(1), S.FATAL, None),
            (1000, nothing, S.FATAL, None),
        ]
    )


def test_kills_from_outside_are_no_failures_to_start() -> None:
    """A worker that served is back at once, however often and soon it is killed."""
    history = []
    for now in range(0, 10, 2):
        history += [
            (now, spawn, S.STARTING, None),
            (now, ready, S.RUNNING, None),
            (now + 1, killed, S.BACKOFF, None),
            (now + 2, nothing, S.BACKOFF, A.SPAWN),
        ]
    assert live(history).failures == 0


def test_kills_from_outside_while_starting_are_no_failures_either() -> None:
    """One that is killed before it serves is back after a longer pause, and never given up."""
    history = []
    for now in range(0, 60, 6):
        history += [
            (now, spawn, S.STARTING, None),
            (now + 1, killed, S.BACKOFF, None),
            (now + 4, nothing, S.BACKOFF, None),
            (now + 5, nothing, S.BACKOFF, A.SPAWN),
        ]
    assert live(history).failures == 0


def test_a_one_shot_is_tried_for_ever_with_a_bounded_delay() -> None:
    """Set-up waits for a database that is away."""
    history = []
    now = 0.0
    for delay in (1.0, 2.0, 3.0, 3.0, 3.0):
        history += [
            (now, spawn, S.STARTING, None),
            (now, exit_with(1), S.BACKOFF, None),
            (now + delay, nothing, S.BACKOFF, A.SPAWN),
        ]
        now += delay
    history += [(now, spawn, S.STARTING, None), (now, exit_with(0), S.DONE, None), (now + 99, nothing, S.DONE, None)]
    assert live(history, one_shot=True).failures == 0


def test_a_word_of_fatal_ends_it_at_once() -> None:
    """A restart would not help, says the worker, in words or by its exit code."""
    slot = live(
        [
            (0, spawn, S.STARTING, None),
            (0, says("fenced by another daemon", fatal=True), S.STARTING, None),
            (0, exit_with(78), S.FATAL, None),
        ]
    )
    assert slot.last_error == "fenced by another daemon"
    live([(0, spawn, S.STARTING, None), (0, exit_with(78), S.FATAL, None)])


def test_what_a_worker_complained_of_outlives_it() -> None:
    """The status tells the reason, not the exit code."""
    slot = live(
        [(0, spawn, S.STARTING, None), (0, says("no such topic"), S.STARTING, None), (0, exit_with(1), S.BACKOFF, None)]
    )
    assert slot.last_error == "no such topic"


def test_a_code_goes_with_its_complaint() -> None:
    """What is said of how the process ended takes no code over from what it had complained of before."""

    def complains(slot: WorkerSlot, _now: float) -> WorkerSlot:
        return machine.complained(slot, "no such topic", "ETLD-K012")

    said = live([(0, spawn, S.STARTING, None), (0, complains, S.STARTING, None), (0, exit_with(1), S.BACKOFF, None)])
    assert said.error_code == "ETLD-K012"
    killed = live([(0, spawn, S.STARTING, None), (0, complains, S.STARTING, None), (0, exit_with(-9), S.BACKOFF, None)])
    assert (killed.last_error, killed.error_code) == ("killed by SIGKILL", "")


@pytest.mark.parametrize(
    ("history", "when"),
    [
        ([(0, spawn, S.STARTING, None), (1, ready, S.RUNNING, None)], 11.1),
        ([(0, spawn, S.STARTING, None), (1, beat, S.STARTING, None)], 11.1),
        ([(0, spawn, S.STARTING, None)], 30.1),
    ],
    ids=["running", "starting", "never heard"],
)
def test_a_silent_worker_is_dumped_then_killed(history: list[object], when: float) -> None:
    """SIGABRT first; SIGKILL when that does not end it."""
    slot = live(
        [  # type: ignore[list-item]
            *history,
            (when - 0.2, nothing, history[-1][2], None),  # type: ignore[index]
            (when, nothing, history[-1][2], A.ABORT),  # type: ignore[index]
            (when + 1.9, nothing, history[-1][2], None),  # type: ignore[index]
            (when + 2.0, nothing, history[-1][2], A.KILL),  # type: ignore[index]
        ]
    )
    slot = machine.exited(slot, -signal.SIGABRT, when + 2, PATIENCE)
    assert slot.last_error.startswith("hung: no message for")


def test_a_worker_that_does_not_stop_is_killed() -> None:
    """At its deadline, and again until it is gone."""
    live(
        [
            (0, spawn, S.STARTING, None),
            (1, ready, S.RUNNING, None),
            (20, stop, S.STOPPING, None),
            (23.9, nothing, S.STOPPING, None),
            (24, nothing, S.STOPPING, A.KILL),
            (24.5, nothing, S.STOPPING, None),
            (25, nothing, S.STOPPING, A.KILL),
            (25, killed, S.STOPPED, None),
        ]
    )


def test_a_replaced_worker_is_no_failure() -> None:
    """Not even when it had to be killed."""
    slot = live(
        [
            (0, spawn, S.STARTING, None),
            (1, ready, S.RUNNING, None),
            (2, renew, S.STOPPING, None),
            (6, nothing, S.STOPPING, A.KILL),
            (6, killed, S.WAITING, A.SPAWN),
            (6, spawn, S.STARTING, None),
        ]
    )
    assert (slot.failures, slot.restarts, slot.last_error) == (0, 1, "")


def test_renewing_revives_what_was_given_up() -> None:
    """`etld restart WORKER` gives it another chance."""
    slot = WorkerSlot("w", "w", state=SlotState.FATAL, failures=3, loads=True)
    slot, action = machine.tick(machine.renew(slot, 50, 4, "restart"), 50, PATIENCE)
    assert (slot.state, slot.failures, action) == (SlotState.WAITING, 0, Action.SPAWN)


def test_failures_are_forgiven_after_a_healthy_time() -> None:
    """The count is of failures in a row."""
    slot = WorkerSlot("w", "w", state=SlotState.RUNNING, pid=1, failures=2, spawned=0, ready=1, heard=6)
    assert machine.tick(slot, 4.9, PATIENCE)[0].failures == 2
    assert machine.tick(slot, 5.0, PATIENCE)[0].failures == 0


def test_nothing_is_forked_before_it_may_load() -> None:
    assert machine.tick(WorkerSlot("w", "w"), 5, PATIENCE)[1] is None
    assert machine.due(WorkerSlot("w", "w")) is None


def test_an_overlapped_slot_starts_its_successor_beside_the_old_process() -> None:
    """vacate() leaves no pid behind."""
    slot = WorkerSlot("w", "w", state=SlotState.RUNNING, pid=7, ready=1, loads=True)
    slot, action = machine.tick(machine.vacate(slot, 9), 9, PATIENCE)
    assert (slot.pid, slot.restarts, action) == (None, 1, Action.SPAWN)


def test_due_times_tell_the_loop_when_to_look() -> None:
    """Backoff and deadlines; nothing for a slot that only runs."""
    slot = WorkerSlot("w", "w", state=SlotState.BACKOFF, not_before=3.5, loads=True)
    assert machine.due(slot) == 3.5
    assert machine.due(machine.stop(replace(slot, pid=3, state=SlotState.RUNNING), 1, 4)) == 5
    assert machine.due(replace(slot, pid=3, state=SlotState.RUNNING)) is None


def test_who_is_never_given_up() -> None:
    """max_failures 0, as of an embedded part that ran before: a full disk may be emptied."""
    patience = replace(PATIENCE, max_failures=0)
    slot = machine.spawned(WorkerSlot("db", "db"), 1, 0.0)
    for number in range(1, 30):
        slot = machine.exited(slot, 1, 0.1, patience)
        assert (slot.state, slot.failures) == (S.BACKOFF, number)
        assert slot.not_before <= 0.1 + patience.backoff_max
        slot = machine.spawned(slot, 1, 0.0)


@pytest.mark.parametrize(
    ("code", "kill_at", "replacing", "by_itself"),
    [
        (1, None, "", True),
        (-signal.SIGSEGV, None, "", True),
        (-signal.SIGKILL, None, "", False),
        (-signal.SIGABRT, 12.0, "", True),
        (-signal.SIGKILL, 12.0, "", True),
        (-signal.SIGKILL, 12.0, "took 2048 MiB of memory", True),
        (0, None, "", False),
        (0, 12.0, "reload", False),
    ],
)
def test_who_ended_a_process(code: int, kill_at: float | None, replacing: str, by_itself: bool) -> None:
    """A crash, a hang and too much memory are its own doing, also on its way out; the successor is told."""
    slot = replace(WorkerSlot("p-0", "processor", pid=3, state=S.RUNNING, spawned=0.0, ready=1.0), kill_at=kill_at)
    ended = machine.exited(replace(slot, replacing=replacing), code, 11.0, PATIENCE)
    assert ended.by_itself == by_itself
    assert machine.spawned(ended, 4, 12.0).by_itself == by_itself
