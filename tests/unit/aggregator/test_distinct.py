"""Each event of a batch once; an id that comes with another event, long after, ends the batch before it."""

from __future__ import annotations

import datetime as dt

import polars as pl

from etld.aggregator.distinct import BatchTotals, distinct
from etld.kafka.memory import StoredMessage
from etld.kafka.records import Records
from etld.kafka.types import Partition
from etld.sinks.base import RecordCounts
from etld.stream.batch import Batch, PartitionBatch

KEYS = (Partition("event_purchase", 0), Partition("event_purchase", 1))
BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def share(key: Partition, count: int) -> PartitionBatch:
    messages = [StoredMessage(key, offset, None, b"", (), 0) for offset in range(count)]
    return PartitionBatch(key, "life", 1, 0, count, Records(key, messages))


def summed_up(*events: list[tuple[str, float]]) -> BatchTotals:
    """What is made of events, one list a partition: (id, days since BEGIN)."""
    shares = [share(key, len(some)) for key, some in zip(KEYS, events, strict=False)]
    numbered = [
        (
            one.partition,
            pl.DataFrame(
                {
                    "event_id": [event_id for event_id, _ in some],
                    "accepted_at": [BEGIN + dt.timedelta(days=day) for _, day in some],
                    "row": range(len(some)),
                }
            ).with_columns(pl.col("accepted_at").cast(pl.Datetime("us", "UTC"))),
        )
        for one, some in zip(shares, events, strict=True)
    ]
    work = BatchTotals(Batch(tuple(shares)), {one.partition: RecordCounts(stored=one.count) for one in shares})
    distinct(work, numbered, 2 * 86_400.0)
    return work


def test_a_retry_is_left_out() -> None:
    """Within the window, in whatever letters, and whichever partition it comes by."""
    work = summed_up([("a", 0), ("b", 1)], [("A", 2), ("c", 0)])
    assert work.ids["event_id"].to_list() == ["a", "b", "c"]
    assert work.outcomes[KEYS[1]] == RecordCounts(stored=1, duplicate=1)
    assert work.cut is None


def test_two_events_of_one_id_are_two_batches() -> None:
    """The second begins the next one."""
    assert summed_up([("a", 0), ("b", 1)], [("c", 0), ("b", 3.5), ("a", 3)]).cut == 3
