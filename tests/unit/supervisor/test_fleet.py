"""Decisions over all slots."""

from __future__ import annotations

import pytest

from etld.supervisor.slots import policy
from etld.supervisor.slots.machine import Slot, State

GROUND = Slot("db", "db", rank=0)
SETUP = Slot("setup", "setup", rank=1, one_shot=True)
WORK = Slot("work-a-0", "work", rank=2, event_type="a")
DOOR = Slot("door-0", "door", rank=3)


def at(slot: Slot, state: State, **more: object) -> Slot:
    from dataclasses import replace

    return replace(slot, state=state, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("slots", "admitted"),
    [
        ([GROUND, SETUP, WORK, DOOR], ["db"]),
        ([at(GROUND, State.STARTING, admitted=True), SETUP], []),
        ([at(GROUND, State.RUNNING, admitted=True), SETUP, WORK], ["setup"]),
        ([at(GROUND, State.FATAL, admitted=True), SETUP, WORK], []),
        ([at(SETUP, State.BACKOFF, admitted=True), WORK, DOOR], []),
        ([at(SETUP, State.DONE, admitted=True), WORK, DOOR], ["work-a-0"]),
        ([at(SETUP, State.DONE, admitted=True), at(WORK, State.FATAL, admitted=True), DOOR], ["door-0"]),
        ([at(WORK, State.RUNNING, admitted=True, replacing="reload"), DOOR], []),
        ([at(WORK, State.STOPPING, admitted=True, wanted=False), DOOR], ["door-0"]),
    ],
)
def test_a_rank_is_entered_when_all_below_are_up(slots: list[Slot], admitted: list[str]) -> None:
    """A role that was given up does not keep the door shut; a ground that was, does."""
    assert [slot.name for slot in policy.admit(slots)] == admitted


def test_once_entered_a_rank_stays_entered() -> None:
    """A worker that dies while the broker is away is still replaced."""
    slots = [at(GROUND, State.BACKOFF, admitted=True), at(WORK, State.BACKOFF, admitted=True)]
    assert policy.admit(slots) == []
    assert slots[1].admitted


def test_the_highest_rank_stops_first() -> None:
    """Only what has a process counts."""
    slots = [at(GROUND, State.RUNNING, pid=1), at(WORK, State.RUNNING, pid=2), DOOR]
    assert [slot.name for slot in policy.next_to_stop(slots)] == ["work-a-0"]
    assert policy.next_to_stop([DOOR]) == []


@pytest.mark.parametrize(
    ("states", "faults", "started", "stopping", "expected"),
    [
        ([State.STARTING], [], False, False, "starting"),
        ([State.RUNNING, State.DONE], [], True, False, "ready"),
        ([State.RUNNING, State.FATAL], [], True, False, "degraded"),
        ([State.RUNNING, State.BACKOFF], [], True, False, "degraded"),
        ([State.RUNNING], ["kafka"], True, False, "degraded"),
        ([State.RUNNING], [], True, True, "stopping"),
    ],
)
def test_the_daemons_state(
    states: list[State], faults: list[str], started: bool, stopping: bool, expected: str
) -> None:
    """Ready only when everything runs and nobody complains."""
    slots = [Slot(f"w-{i}", "w", state=state) for i, state in enumerate(states)]
    assert policy.state(slots, stopping=stopping, was_started=started, faults=faults) == expected


def test_a_paused_worker_is_ready() -> None:
    """Deliberately paused is not degraded."""
    slot = Slot("w", "w", state=State.RUNNING, paused=True, rests=True)
    assert policy.shown_state(slot) == "paused"
    assert policy.shown_state(Slot("w", "w", state=State.RUNNING, paused=True)) == "running"
    assert policy.state([slot], stopping=False, was_started=True, faults=[]) == "ready"


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("processor", ["processor-a-0", "processor-a-1", "processor-ab-0"]),
        ("processor-a", ["processor-a-0", "processor-a-1"]),
        ("processor-a-1", ["processor-a-1"]),
        ("proc", []),
        ("", []),
    ],
)
def test_targets(target: str, names: list[str]) -> None:
    """A kind, a name, or a prefix that ends at a dash."""
    slots = [Slot(name, "processor") for name in ("processor-a-0", "processor-a-1", "processor-ab-0")]
    assert [slot.name for slot in policy.select(slots, target)] == names


def test_problems_name_the_worker_and_the_reason() -> None:
    """One line each."""
    slots = [Slot("a", "a", state=State.FATAL, last_error="no topic"), Slot("b", "b", state=State.RUNNING)]
    assert policy.problems(slots, {"b": {"kafka": "away"}}) == ["a is fatal: no topic", "b: kafka: away"]


def test_silence_is_told_before_it_is_a_hang() -> None:
    """Only of those that run: a worker that starts or stops is a problem by its state already."""
    running = at(WORK, State.RUNNING, pid=1, heard=10.0)
    assert policy.silent([running], 13.0) == {}
    assert policy.silent([running], 14.0) == {"work-a-0": 4.0}
    assert policy.silent([at(WORK, State.STARTING, pid=1, heard=10.0), at(SETUP, State.DONE)], 99.0) == {}
