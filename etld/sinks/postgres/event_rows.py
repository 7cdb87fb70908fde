"""Rows for processed_events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from etld.postgres import statements
from etld.postgres.errors import DatabaseError, classify
from etld.sinks.base import EventRows, SinkError, StoredRows
from etld.sinks.postgres import swallowed_by
from etld.sinks.postgres.columns import ACCEPTED_AT, COPIED, COPIED_TYPES, EVENT_ID, PARTITION, filled
from etld.sinks.postgres.copy_binary import BinaryRows, rows_of
from etld.sinks.postgres.deduplication.id_filter import as_numbers
from etld.sinks.postgres.deduplication.known_ids import BatchIds, as_array
from etld.sinks.postgres.merging import merge
from etld.sinks.postgres.partitions import missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.postgres.connections import Cursor
    from etld.sinks.base import Verdict
    from etld.sinks.postgres.deduplication.known_ids import BatchInLeaves, KnownIds, Mask
    from etld.sinks.postgres.positions import EventTable

_SQL = statements.load(__package__, "event_rows")
_COPY = filled(_SQL.copy)


@dataclass(frozen=True, slots=True)
class Encoded:
    """What of a batch goes to PostgreSQL: its rows for COPY, and what they are known by, in the same order."""

    rows: BinaryRows
    ids: BatchIds


def encode(frames: Sequence[pl.DataFrame]) -> EventRows:
    """Frames of events with their bytes for COPY, None when there are no rows."""
    ready = [_with_values(frame) for frame in frames]
    if not any(frame.height for frame in ready):
        return EventRows(ready)
    rows = rows_of(ready, COPIED_TYPES, EVENT_ID)
    accepted = pl.concat([frame[ACCEPTED_AT].to_physical() for frame in ready]).to_numpy()
    return EventRows(ready, Encoded(rows, BatchIds(as_numbers(rows.keys), accepted[rows.order], rows.order)))


def write(
    cur: Cursor, rows: EventRows, verdict: Verdict | None, known_ids: KnownIds, table: EventTable
) -> StoredRows | None:
    """Those whose id is not stored yet; see `Transaction.write_events`.

    Triggers can do with a row what they want: raises `SinkError` of verdict "data" when not every row is there, and
    what PostgreSQL says.
    """
    if rows.payload is None:
        return None if verdict is None else StoredRows({})
    encoded: Encoded = rows.payload
    known = known_ids.enter(cur, encoded.ids, partitioned=table.partitioned, alone=verdict is not None)
    if verdict is None:
        gone = known.stored(all_own=False)
        _copy(cur, encoded, known, gone, triggers=table.triggers)
        return None if gone is None else StoredRows(_numbers(rows, encoded, gone))
    if verdict == "data" and not table.partitioned:
        return merge(cur, rows.frames, verdict, partitioned=False)
    gone = known.stored(all_own=True)
    if verdict == "conflict":
        try:
            with cur.connection.transaction():
                _copy(cur, encoded, known, gone, triggers=table.triggers)
            return StoredRows(_numbers(rows, encoded, gone))
        except (DatabaseError, SinkError) as error:
            # A writer that is not etld's came between, or a rule of the user's table is in the way.
            found = error.verdict if isinstance(error, SinkError) else classify(error)
            if found not in ("data", "conflict"):
                raise
    known.write_versions(gone)
    return merge(cur, _without(rows, encoded, gone), verdict, partitioned=table.partitioned)


def _copy(cur: Cursor, encoded: Encoded, known: BatchInLeaves, gone: Mask | None, *, triggers: bool) -> None:
    """All rows that are not `gone` or, raising, none; raises UniqueViolation for an event id that is stored."""
    height = len(encoded.ids) - (0 if gone is None else int(gone.sum()))
    if not height:
        return
    known.write_versions(gone)
    try:
        with cur.copy(_COPY) as out:
            for piece in encoded.rows.pieces(gone):
                out.write(piece)
    except DatabaseError as error:
        if not missing.is_missing(error):
            raise
        raise SinkError(missing.explained(error), "retry", code="ETLD-P022") from error
    there = cur.rowcount
    if there == height and triggers and swallowed_by.triggers(cur):
        cur.execute(_SQL.immediate)
        there = _present(cur, encoded.ids, gone)
    if there != height:
        raise SinkError(f"PostgreSQL took {height} events, and {there} of them are in the table", "data")
    known.wrote(gone)


def _present(cur: Cursor, batch: BatchIds, gone: Mask | None) -> int:
    """How many of the events are in the table; of old rows with such an id none."""
    kept = slice(None) if gone is None else ~gone
    accepted = batch.accepted[kept]
    span = {"ids": as_array(batch.ids[kept]), "lowest": int(accepted.min()), "highest": int(accepted.max())}
    row = cur.execute(_SQL.present, span).fetchone()
    return int(row[0]) if row else 0


def _numbers(rows: EventRows, encoded: Encoded, gone: Mask | None) -> dict[int, int]:
    """How many rows that are not `gone` each Kafka partition has."""
    partitions = pl.concat([frame[PARTITION] for frame in rows.frames]).to_numpy()
    kept = partitions if gone is None else partitions[encoded.ids.order[~gone]]
    return dict(zip(*(found.tolist() for found in np.unique(kept, return_counts=True)), strict=True))


def _without(rows: EventRows, encoded: Encoded, gone: Mask | None) -> Sequence[pl.DataFrame]:
    """The frames without the rows that are `gone`."""
    if gone is None:
        return rows.frames
    kept = np.ones(rows.height, np.bool_)
    kept[encoded.ids.order[gone]] = False
    ends = np.cumsum([frame.height for frame in rows.frames])[:-1]
    return [frame.filter(pl.Series(mask)) for frame, mask in zip(rows.frames, np.split(kept, ends), strict=True)]


def _with_values(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with the columns that are made from others."""
    made = [one.value.alias(one.name) for one in COPIED if one.value is not None]
    return frame.with_columns(made) if made else frame
