"""Decisions over all slots."""

from __future__ import annotations

import pytest

from etld.supervisor.slots import policy
from etld.supervisor.slots.machine import SlotState, WorkerSlot

EMBEDDED = WorkerSlot("db", "db", rank=0)
SETUP = WorkerSlot("setup", "setup", rank=1, one_shot=True)
WORK = WorkerSlot("work-a-0", "work", rank=2, event_type="a")
INGEST = WorkerSlot("ingest-0", "ingest", rank=3)


def at(slot: WorkerSlot, state: SlotState, **more: object) -> WorkerSlot:
    from dataclasses import replace

    return replace(slot, state=state, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("slots", "loading"),
    [
        ([EMBEDDED, SETUP, WORK, INGEST], ["db"]),
        ([at(EMBEDDED, SlotState.STARTING, heard=1.0), SETUP, WORK, INGEST], ["db", "setup"]),
        ([at(EMBEDDED, SlotState.STARTING, heard=1.0), at(SETUP, SlotState.STARTING, heard=1.0), WORK, INGEST],
         ["db", "setup", "work-a-0", "ingest-0"]),
        ([at(SETUP, SlotState.DONE, heard=1.0), at(WORK, SlotState.STARTING, loads=True), INGEST],
         ["setup", "ingest-0"]),
    ],
)  # fmt: skip
def test_processes_are_forked_when_all_that_carries_them_has_loaded(
    slots: list[WorkerSlot], loading: list[str]
) -> None:
    """Whether it serves yet or not."""
    assert [slot.name for slot in policy.load(slots)] == loading


@pytest.mark.parametrize(
    ("slots", "admitted"),
    [
        ([EMBEDDED, SETUP, WORK, INGEST], ["db"]),
        ([at(EMBEDDED, SlotState.STARTING, admitted=True), SETUP], []),
        ([at(EMBEDDED, SlotState.RUNNING, admitted=True), SETUP, WORK], ["setup"]),
        ([at(EMBEDDED, SlotState.FATAL, admitted=True), SETUP, WORK], []),
        ([at(SETUP, SlotState.BACKOFF, admitted=True), WORK, INGEST], []),
        ([at(SETUP, SlotState.DONE, admitted=True), WORK, INGEST], ["work-a-0", "ingest-0"]),
        ([at(SETUP, SlotState.DONE, admitted=True), at(WORK, SlotState.FATAL, admitted=True), INGEST], ["ingest-0"]),
        ([at(SETUP, SlotState.WAITING, admitted=True, replacing="reload"), INGEST], []),
        ([at(EMBEDDED, SlotState.STOPPING, admitted=True, wanted=False), INGEST], ["ingest-0"]),
    ],
)
def test_roles_begin_when_all_that_carries_them_is_up(slots: list[WorkerSlot], admitted: list[str]) -> None:
    """The roles together; one that was given up keeps no other out, an embedded part that was does."""
    assert [slot.name for slot in policy.admit(slots)] == admitted


def test_once_entered_a_rank_stays_entered() -> None:
    """A worker that dies while the broker is away is still replaced."""
    slots = [at(EMBEDDED, SlotState.BACKOFF, admitted=True), at(WORK, SlotState.BACKOFF, admitted=True)]
    assert policy.admit(slots) == []
    assert slots[1].admitted


def test_the_highest_rank_stops_first() -> None:
    """Only what has a process counts."""
    slots = [at(EMBEDDED, SlotState.RUNNING, pid=1), at(WORK, SlotState.RUNNING, pid=2), INGEST]
    assert [slot.name for slot in policy.next_to_stop(slots)] == ["work-a-0"]
    assert policy.next_to_stop([INGEST]) == []


@pytest.mark.parametrize(
    ("states", "faults", "started", "stopping", "expected"),
    [
        ([SlotState.STARTING], [], False, False, "starting"),
        ([SlotState.RUNNING, SlotState.DONE], [], True, False, "ready"),
        ([SlotState.RUNNING, SlotState.FATAL], [], True, False, "degraded"),
        ([SlotState.RUNNING, SlotState.BACKOFF], [], True, False, "degraded"),
        ([SlotState.RUNNING], ["kafka"], True, False, "degraded"),
        ([SlotState.RUNNING], [], True, True, "stopping"),
    ],
)
def test_the_daemons_state(
    states: list[SlotState], faults: list[str], started: bool, stopping: bool, expected: str
) -> None:
    """Ready only when everything runs and nobody complains."""
    slots = [WorkerSlot(f"w-{i}", "w", state=state) for i, state in enumerate(states)]
    assert policy.state(slots, stopping=stopping, was_started=started, faults=faults) == expected


def test_a_paused_worker_is_ready() -> None:
    """Deliberately paused is not degraded."""
    slot = WorkerSlot("w", "w", state=SlotState.RUNNING, paused=True, rests=True)
    assert policy.shown_state(slot) == "paused"
    assert policy.shown_state(WorkerSlot("w", "w", state=SlotState.RUNNING, paused=True)) == "running"
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
    slots = [WorkerSlot(name, "processor") for name in ("processor-a-0", "processor-a-1", "processor-ab-0")]
    assert [slot.name for slot in policy.select(slots, target)] == names


def test_problems_name_the_worker_and_the_reason() -> None:
    """One line each."""
    slots = [
        WorkerSlot("a", "a", state=SlotState.FATAL, last_error="no topic"),
        WorkerSlot("b", "b", state=SlotState.RUNNING),
    ]
    assert policy.problems(slots, {"b": {"kafka": "away"}}) == ["a is fatal: no topic", "b: kafka: away"]


def test_each_problem_has_its_code() -> None:
    """The worker's own word for it comes before that for its state; a start that takes its time is no error."""
    slots = [
        WorkerSlot("a", "a", state=SlotState.FATAL, last_error="no topic", error_code="ETLD-K004"),
        WorkerSlot("b", "b", state=SlotState.FATAL, last_error="exit code 1"),
        WorkerSlot("c", "c", state=SlotState.BACKOFF, last_error="killed by SIGKILL"),
        WorkerSlot("d", "d", state=SlotState.STARTING),
    ]
    faults = {"e": {"kafka": "away", "webhook ops": "away", "odd": "?"}}
    codes = [code for _, code in policy.explained(slots, faults)]
    assert codes == ["ETLD-K004", "ETLD-W004", "ETLD-W003", "", "ETLD-K001", "ETLD-A001", ""]


def test_silence_is_told_before_it_is_a_hang() -> None:
    """Only of those that run: a worker that starts or stops is a problem by its state already."""
    running = at(WORK, SlotState.RUNNING, pid=1, heard=10.0)
    assert policy.silent([running], 13.0) == {}
    assert policy.silent([running], 14.0) == {"work-a-0": 4.0}
    assert policy.silent([at(WORK, SlotState.STARTING, pid=1, heard=10.0), at(SETUP, SlotState.DONE)], 99.0) == {}
