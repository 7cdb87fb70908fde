"""A batch with each event once: its frames, their ids, and what is known of those that come again."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from etld.frames import ACCEPTED_AT
from etld.sinks.base import RecordCounts
from etld.stream import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.aggregator.batch_totals import Columns
    from etld.kafka.types import Partition

_IDS: dict[str, pl.DataType | type[pl.DataType]] = {ACCEPTED_AT: pl.Datetime("us", "UTC"), "event_id": pl.String}


@dataclass
class BatchTotals(Work):
    """A batch summed up: the frames of its distinct events, their ids and times (as bytes too), each summary's rows."""

    keys: list[Partition] = field(default_factory=list)
    frames: list[pl.DataFrame] = field(default_factory=list)
    ids: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_IDS))
    rows: bytes = b""
    sums: list[Columns | None] = field(default_factory=list)
    duplicates: int = 0
    #: The number of the first record whose id comes before with another event, so long ago that it is none of it.
    cut: int | None = None
    #: The frames with the events that are there twice, and the outcomes without these, for `_without`.
    numbered: Sequence[tuple[Partition, pl.DataFrame]] = ()
    plain: dict[Partition, RecordCounts] = field(default_factory=dict)


def distinct(work: BatchTotals, numbered: Sequence[tuple[Partition, pl.DataFrame]], window: float) -> None:
    """Keep the first event of each id, and count the others as duplicates of their partition.

    Those that were accepted more than `window` seconds apart are two events: see `BatchTotals.cut`.
    """
    lower = pl.col("event_id").str.to_lowercase()
    ids = pl.concat(
        [
            frame.select(ACCEPTED_AT, lower, pl.lit(i, dtype=pl.UInt32).alias("frame"), pl.col("row"))
            for i, (_, frame) in enumerate(numbered)
        ]
    )
    several = ids["event_id"].n_unique() < ids.height
    first = ids.unique("event_id", keep="first", maintain_order=True) if several else ids
    work.ids = first.select(*_IDS)
    if several:
        work.cut = _cut(work, [key for key, _ in numbered], ids, window)
    for i, (key, frame) in enumerate(numbered):
        kept = frame.with_columns(lower)
        if several:
            kept = kept.filter(pl.col("row").is_in(first.filter(pl.col("frame") == i)["row"].to_list()))
            counts = work.outcomes[key]
            duplicates = frame.height - kept.height
            work.outcomes[key] = RecordCounts(
                counts.stored - duplicates, counts.duplicate + duplicates, counts.filtered, counts.dead
            )
        work.keys.append(key)
        work.frames.append(kept)


def counted_before(work: BatchTotals, ids: set[str]) -> dict[Partition, RecordCounts]:
    """What the ids that were counted before change in the outcomes."""
    counts: dict[Partition, int] = {}
    for key, frame in zip(work.keys, work.frames, strict=True):
        counts[key] = counts.get(key, 0) + int(frame.select(is_in(ids).sum()).item())
    return {key: RecordCounts(stored=-count, duplicate=count) for key, count in counts.items() if count}


def _cut(work: BatchTotals, keys: Sequence[Partition], ids: pl.DataFrame, window: float) -> int | None:
    """The place in the batch of the first record that is no retry of the one before with its id."""
    distance = (pl.col(ACCEPTED_AT) - pl.col(ACCEPTED_AT).first().over("event_id")).abs()
    apart = ids.filter(distance > dt.timedelta(seconds=window))
    begins, count = {}, 0
    for share in work.batch:
        begins[share.partition] = count
        count += share.count
    places = [begins[keys[i]] + row for i, row in apart.select("frame", "row").iter_rows()]
    return min(places, default=None)


def is_in(ids: set[str]) -> pl.Expr:
    """Which rows have one of these ids?"""
    return pl.col("event_id").is_in(list(ids))
