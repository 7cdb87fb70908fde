"""Records of one event type as frames of events: the same decision for all that store them, which are dead."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from etld.frames import accepted, ready
from etld.serdes import formats
from etld.sinks.base import RecordCounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from etld.frames import Transform
    from etld.kafka.types import Partition
    from etld.serdes.base import BadRecord, SchemaFor
    from etld.stream.batch import Batch
    from etld.stream.killers import Killers

_PARTITION, _OFFSET = "kafka_partition", "kafka_offset"


@dataclass(frozen=True, slots=True)
class ReadEvents:
    """The events of a batch, with where they came from; rows that its transform left out; and what is bad."""

    frames: Sequence[pl.DataFrame]
    filtered: Sequence[int]
    bad: Sequence[BadRecord]


def read_events(
    batch: Batch, killers: Killers, schemas: SchemaFor, transform: Transform | None, event_type: str
) -> ReadEvents:
    """Decode the whole batch natively, and transform it.

    Raises what `schemas` raises, and `TransformBroken`.
    """
    headers = batch.header(formats.SCHEMA_HEADER)
    decoded = formats.decode_batch(killers.values_of(batch), schemas, headers=headers)
    frames: list[pl.DataFrame] = []
    filtered: list[int] = []
    more: list[BadRecord] = []
    for decoded_frame in decoded.frames:
        frame, out, wrong = ready(decoded_frame, transform, event_type)
        frames.append(_with_coordinates(frame, batch))
        filtered += out["row"].to_list()
        more += wrong
    return ReadEvents(frames, filtered, [*killers.explained(batch, decoded.bad), *more])


def _with_coordinates(frame: pl.DataFrame, batch: Batch) -> pl.DataFrame:
    """Add the Kafka partition and offset of each row, and when Kafka took it."""
    times = pl.concat([pl.Series("", share.records.all_milliseconds(), pl.Int64) for share in batch])
    offsets = pl.concat([pl.Series(_OFFSET, share.records.offsets, pl.Int64) for share in batch])
    partitions = pl.concat(
        [pl.repeat(share.partition.number, share.count, dtype=pl.Int32, eager=True) for share in batch]
    )
    added = [partitions.alias(_PARTITION), offsets, accepted(times)]
    if frame.height != batch.count:
        added = [one.gather(frame["row"]) for one in added]
    return frame.with_columns(added)


def outcomes(batch: Batch, bad: Sequence[BadRecord], filtered: Sequence[int]) -> dict[Partition, RecordCounts]:
    """What is expected to become of each partition's records."""
    dead = by_partition(batch, (one.row for one in bad))
    out = by_partition(batch, filtered)
    return {
        share.partition: RecordCounts(
            stored=share.count - dead[share.partition] - out[share.partition],
            filtered=out[share.partition],
            dead=dead[share.partition],
        )
        for share in batch
    }


def by_partition(batch: Batch, rows: Iterable[int]) -> Counter[Partition]:
    """How many of the rows each partition has."""
    return Counter(batch.locate(row)[0].partition for row in rows)
