"""What the exactly-once loop relies on, of every sink: positions and rows together, and one owner."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from etld.kafka.types import Partition
from etld.sinks.base import (
    OFFSET_BEYOND,
    OFFSET_LOST,
    RECREATED,
    Advance,
    Claimed,
    Fenced,
    PartitionLog,
    RecordCounts,
    Sink,
    SinkError,
    StoredRows,
    Transaction,
    Verdict,
)

if TYPE_CHECKING:
    from conftest import SinkUnderTest

KEY, OTHER = Partition("event_purchase", 0), Partition("event_purchase", 1)
LOG = PartitionLog(KEY, "id", 0, 100)


def event(**changes: Any) -> dict[str, Any]:
    """A good event, as a frame has it."""
    return {
        "event_id": str(uuid.uuid4()),
        "event_name": "added_to_cart",
        "event_type": "purchase",
        "user_details": {"user_id": 7},
        "event_details": {"price": 1.5},
        "triggered_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    } | changes


def claim(sink: Sink, *logs: PartitionLog) -> list[Claimed]:
    """What is claimed; nothing may be halted."""
    claimed, halted = sink.claim(logs or [LOG])
    assert halted == []
    return claimed


class Step:
    """A batch of events of one partition, written from the position of its claim."""

    def __init__(self, sink: Sink, mine: Claimed, events: list[dict[str, Any]]) -> None:
        at = mine.next_offset
        rows = [
            {"accepted_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}
            | one
            | {"row": i, "kafka_partition": mine.partition.number, "kafka_offset": at + i}
            for i, one in enumerate(events)
        ]
        frame = pl.DataFrame(rows).with_columns(
            pl.col("kafka_partition").cast(pl.Int32),
            pl.col("triggered_at", "accepted_at").cast(pl.Datetime("us", "UTC")),
        )
        self.writer = sink.writer()
        self.rows = sink.encode([frame])
        self.advance = Advance(mine.partition, "id", mine.epoch, at, at + len(events), len(events), 0)
        self.outcomes = {mine.partition: RecordCounts(stored=len(events))}
        self.found: StoredRows | None = None

    def write(self, verdict: Verdict | None = None) -> Mapping[Partition, Mapping[str, int]]:
        """As the loop writes it."""

        def effects(transaction: Transaction) -> Mapping[Partition, RecordCounts]:
            self.found = transaction.write_events(self.rows, verdict)
            if self.found is None:
                return {}
            new, refused = self.found.stored.get(self.advance.partition.number, 0), len(self.found.refused)
            twice = self.advance.consumed - new - refused
            change = RecordCounts(stored=new - self.advance.consumed, duplicate=twice, dead=refused)
            return {self.advance.partition: change}

        return self.writer.write([self.advance], self.outcomes, effects)


def test_a_claim_begins_at_the_first_offset_and_raises_the_epoch(under_test: SinkUnderTest) -> None:
    (first,) = claim(under_test.open("one#1"), PartitionLog(KEY, "id", 5, 100))
    (second,) = claim(under_test.open("two#1"), PartitionLog(KEY, "id", 5, 100))
    assert (first.next_offset, second.next_offset) == (5, 5)
    assert second.epoch > first.epoch


def test_positions_and_rows_move_together(under_test: SinkUnderTest) -> None:
    sink = under_test.open("one#1")
    events = [event(), event()]
    totals = Step(sink, claim(sink)[0], events).write()
    assert totals[KEY]["stored"] == 2
    assert under_test.rows() == {one["event_id"] for one in events}
    (again,) = claim(under_test.open("two#1"))
    assert (again.next_offset, again.totals["stored"]) == (2, 2)


def test_groups_have_positions_of_their_own(under_test: SinkUnderTest) -> None:
    sink = under_test.open("one#1")
    Step(sink, claim(sink)[0], [event()]).write()
    assert claim(under_test.open("one#1", "another"))[0].next_offset == 0


def test_an_effect_that_fails_leaves_nothing(under_test: SinkUnderTest) -> None:
    """Whatever it raises comes through as it is."""
    sink = under_test.open("one#1")
    step = Step(sink, claim(sink)[0], [event()])

    def fails(transaction: Transaction) -> Mapping[Partition, RecordCounts]:
        transaction.write_events(step.rows, None)
        raise LookupError("a mistake of the role's")

    with pytest.raises(LookupError):
        step.writer.write([step.advance], step.outcomes, fails)
    assert under_test.rows() == set()
    assert claim(under_test.open("two#1"))[0].next_offset == 0


def test_a_zombie_changes_nothing(under_test: SinkUnderTest) -> None:
    """Who claimed before another did writes neither rows nor positions."""
    sink = under_test.open("one#1")
    step = Step(sink, claim(sink)[0], [event()])
    claim(under_test.open("two#1"))
    with pytest.raises(Fenced):
        step.write()
    assert under_test.rows() == set()
    assert claim(under_test.open("two#1"))[0].next_offset == 0


def test_a_batch_of_which_one_partition_is_gone_is_fenced_as_a_whole(under_test: SinkUnderTest) -> None:
    sink = under_test.open("one#1")
    first, second = sorted(claim(sink, LOG, PartitionLog(OTHER, "id", 0, 100)), key=lambda one: one.partition)
    claim(under_test.open("two#1"), PartitionLog(OTHER, "id", 0, 100))
    advances = [Advance(one.partition, "id", one.epoch, 0, 1, 1, 0) for one in (first, second)]
    with pytest.raises(Fenced):
        sink.writer().write(advances, {}, lambda _: {})
    assert claim(under_test.open("two#1"))[0].next_offset == 0


def test_the_same_step_is_not_written_twice(under_test: SinkUnderTest) -> None:
    sink = under_test.open("one#1")
    step = Step(sink, claim(sink)[0], [event()])
    step.write()
    with pytest.raises(Fenced):
        step.write()


@pytest.mark.parametrize("happened", [True, False])
def test_a_write_without_an_answer_is_looked_up(under_test: SinkUnderTest, happened: bool) -> None:
    sink = under_test.open("one#1")
    step = Step(sink, claim(sink)[0], [event()])
    under_test.lose_answer(happened=happened)
    with pytest.raises(SinkError) as caught:
        step.write()
    assert caught.value.verdict == "retry"
    step.writer.disconnect()
    assert step.writer.happened([step.advance]) is happened
    if not happened:
        step.write()
    assert len(under_test.rows()) == 1


def test_after_another_claim_nobody_says_whether_it_happened(under_test: SinkUnderTest) -> None:
    sink = under_test.open("one#1")
    step = Step(sink, claim(sink)[0], [event()])
    claim(under_test.open("two#1"))
    with pytest.raises(Fenced):
        step.writer.happened([step.advance])


def test_an_event_that_is_stored_is_a_duplicate(under_test: SinkUnderTest) -> None:
    """Told apart at once, or after the sink has refused the batch as a whole."""
    sink = under_test.open("one#1")
    known, new = event(), event()
    Step(sink, claim(sink)[0], [known]).write()
    step = Step(sink, claim(sink)[0], [known, new])
    try:
        totals = step.write()
    except SinkError:
        totals = step.write("conflict")
    assert step.found is not None
    assert (step.found.stored, list(step.found.refused)) == ({0: 1}, [])
    assert (totals[KEY]["stored"], totals[KEY]["duplicate"]) == (2, 1)


def test_an_event_that_a_batch_has_twice_is_stored_once(under_test: SinkUnderTest) -> None:
    """Whether the sink finds that at once or after it has refused the batch."""
    sink = under_test.open("one#1")
    twice, other = event(), event()
    step = Step(sink, claim(sink)[0], [twice, other, twice])
    try:
        totals = step.write()
    except SinkError:
        totals = step.write("conflict")
    assert (totals[KEY]["stored"], totals[KEY]["duplicate"]) == (2, 1)
    assert under_test.rows() == {twice["event_id"], other["event_id"]}


def test_a_refused_event_is_told_apart_from_the_good_ones(under_test: SinkUnderTest) -> None:
    if under_test.refused is None:
        pytest.skip("it takes all that is storable")
    sink = under_test.open("one#1")
    good = [event(), event()]
    step = Step(sink, claim(sink)[0], [good[0], event(**under_test.refused), good[1]])
    with pytest.raises(SinkError) as caught:
        step.write()
    assert caught.value.verdict == "data"
    assert under_test.rows() == set()
    totals = step.write("data")
    assert step.found is not None
    assert [one.row for one in step.found.refused] == [1]
    assert (totals[KEY]["stored"], totals[KEY]["dead"]) == (2, 1)
    assert under_test.rows() == {one["event_id"] for one in good}


def test_a_sink_out_of_reach_is_no_refusal(under_test: SinkUnderTest) -> None:
    sink = under_test.open("one#1")
    step = Step(sink, claim(sink)[0], [event()])
    sink.disconnect()
    step.writer.disconnect()
    under_test.cut(away=True)
    with pytest.raises(SinkError) as caught:
        step.write()
    assert caught.value.verdict == "retry"
    assert not sink.reachable()
    assert sink.problem is not None
    with pytest.raises(SinkError):
        sink.claim([LOG])
    under_test.cut(away=False)
    step.write()
    assert len(under_test.rows()) == 1


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (PartitionLog(KEY, "another id", 0, 100), RECREATED),
        (PartitionLog(KEY, "id", 2, 100), OFFSET_LOST),
        (PartitionLog(KEY, "id", 0, 0), OFFSET_BEYOND),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_must_not_be_read_on_is_halted(under_test: SinkUnderTest, seen: PartitionLog, reason: str) -> None:
    """And noted, until it may go on."""
    sink = under_test.open("one#1")
    Step(sink, claim(sink)[0], [event()]).write()
    claimed, halted = sink.claim([seen])
    assert (claimed, [one.reason for one in halted]) == ([], [reason])
    assert sink.halted() == {KEY}
    again = claim(sink)
    assert [one.next_offset for one in again] == [1]
    assert sink.halted() == set()
    assert sink.epochs() == {KEY: again[0].epoch}


def test_only_another_process_of_the_same_name_is_a_rival(under_test: SinkUnderTest) -> None:
    mine, twin, other = (under_test.open(owner) for owner in ("host/w-0#a", "host/w-0#b", "host/w-1#c"))
    claim(mine)
    assert not mine.has_rival({KEY})
    claim(other)
    assert not mine.has_rival({KEY})
    claim(twin)
    assert mine.has_rival({KEY})
    assert not mine.has_rival(set())
