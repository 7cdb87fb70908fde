"""The table of slots, and how long each is waited for."""

from __future__ import annotations

from dataclasses import replace

from etld.config.sections.operation import SupervisorSection
from etld.supervisor.kinds import KINDS
from etld.supervisor.slots import machine
from etld.supervisor.slots.limits import WorkerLimits
from etld.supervisor.slots.machine import SlotState
from etld.supervisor.slots.table import SlotTable
from etld.worker import SlotSpec


def table(*names: str) -> SlotTable:
    slots = SlotTable(KINDS)
    for name in names:
        kind, _, index = name.rpartition("-")
        slots.add(SlotSpec(name, kind, int(index)) if kind in KINDS else SlotSpec(name, name))
    return slots


def test_a_slot_has_the_rank_of_its_kind() -> None:
    slots = table("embedded-kafka", "setup", "ingest-0")
    assert [(slot.name, slot.rank, slot.one_shot) for slot in slots] == [
        ("embedded-kafka", 0, False),
        ("setup", 1, True),
        ("ingest-0", 3, False),
    ]
    assert [slot.name for slot in slots.listening()] == ["ingest-0"]


def test_targets_mean_wanted_slots_only() -> None:
    slots = table("ingest-0", "ingest-1")
    slots.put(replace(slots["ingest-0"], wanted=False))
    assert [slot.name for slot in slots.select("ingest")] == ["ingest-1"]
    slots.remove("ingest-0")
    assert ("ingest-0" in slots, len(slots), list(slots.specs)) == (False, 1, ["ingest-1"])


def test_a_failed_new_run_of_a_one_shot_leaves_it_done() -> None:
    slots = table("setup")
    slots.put(replace(slots["setup"], state=SlotState.BACKOFF, failures=3))
    slots.settle("setup")
    assert (slots["setup"].state, slots["setup"].failures) == (SlotState.DONE, 0)


def test_time_in_which_the_supervisor_was_away_is_forgiven() -> None:
    slots = table("ingest-0", "ingest-1", "processor-0")
    for name, more in (("ingest-0", {"heard": 2.0}), ("ingest-1", {}), ("processor-0", {"heard": 2.0, "kill_at": 5.0})):
        slots.put(replace(slots[name], state=SlotState.RUNNING, pid=1, spawned=1.0, **more))
    slots.forgive(90.0, 100.0)
    assert [machine.silence(slot, 100.0) for slot in slots] == [8.0, 9.0, 8.0]
    slots.forgive(90.0, 100.0)  # no more than has passed
    assert machine.silence(slots["ingest-0"], 101.0) == 1.0
    assert slots["processor-0"].kill_at == 185.0


def test_the_next_due_is_that_of_the_most_urgent_slot() -> None:
    slots = table("ingest-0", "ingest-1")
    assert slots.next_due() is None
    for name, when in (("ingest-0", 7.0), ("ingest-1", 5.0)):
        slots.put(replace(slots[name], state=SlotState.BACKOFF, loads=True, not_before=when))
    assert slots.next_due() == 5.0


def test_embedded_parts_are_waited_for_longer_and_never_given_up_once_they_ran() -> None:
    limits = WorkerLimits.of_config(SupervisorSection())
    role, part, setup = KINDS["ingest"], KINDS["embedded-kafka"], KINDS["setup"]
    assert (limits.of_kind(role, was_up=True).hang, limits.of_kind(part, was_up=False).hang) == (10.0, 60.0)
    assert limits.of_kind(setup, was_up=True) == limits.of_kind(part, was_up=False)
    assert [limits.of_kind(part, was_up=up).max_failures for up in (False, True)] == [5, 0]
    assert limits.of_kind(part, was_up=True).backoff_max == 3.0
    assert limits.grace == 20.0
