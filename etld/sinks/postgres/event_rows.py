"""Rows of processed_events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from etld.postgres import statements
from etld.postgres.connections import PooledConnection
from etld.postgres.errors import DatabaseError, classify, sqlstate
from etld.sinks.base import PIECE, EventRows, RefusedRow, SinkError, StoredRows, TooManyRefused
from etld.sinks.postgres import swallowed_by
from etld.sinks.postgres.columns import COPIED, COPIED_TYPES, EVENT_ID, OFFSET, PARTITION, filled
from etld.sinks.postgres.copy_binary import to_binary
from etld.sinks.postgres.partitions import missing
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.postgres.connections import Connection, Cursor
    from etld.sinks.base import Verdict

_SQL = statements.load(__package__, "event_rows")
_COPY, _STAGING, _COPY_STAGING = filled(_SQL.copy), filled(_SQL.staging), filled(_SQL.copy_staging)
_PASSING_STAGING = filled(_SQL.passing_staging)
_MERGE, _EMPTY_STAGING, _ONE = filled(_SQL.merge), _SQL.empty_staging, filled(_SQL.one)
# So few rows, one of which is refused, are looked at one by one.
_FEW = 8


class _Swallowed(Exception):
    """Rows went in and are not there: `places` has partition and offset of each."""

    def __init__(self, places: list[tuple[int, int]]) -> None:
        super().__init__(len(places))
        self.places = places


def encode(frames: Sequence[pl.DataFrame]) -> EventRows:
    """Frames of events with their bytes for COPY, None when there are no rows."""
    ready = [_with_values(frame) for frame in frames]
    payload = to_binary(ready, COPIED_TYPES, EVENT_ID) if any(frame.height for frame in ready) else None
    return EventRows(ready, payload)


def copy(cur: Cursor, rows: EventRows, *, triggers: bool = False) -> None:
    """All rows or, raising, none; raises UniqueViolation for an event id that is stored.

    `triggers`: the table may have some, which can do with a row what they want. Raises `SinkError` of verdict "data"
    when not every row is there.
    """
    if rows.payload is None:
        return
    try:
        _write(cur, _COPY, rows.payload)
    except DatabaseError as error:
        if not missing.is_missing(error):
            raise
        raise SinkError(missing.explained(error), "retry") from error
    there = cur.rowcount
    if there == rows.height and triggers and swallowed_by.triggers(cur):
        cur.execute(_SQL.immediate)
        there = _present(cur, rows)
    if there != rows.height:
        raise SinkError(f"PostgreSQL took {rows.height} events, and {there} of them are in the table", "data")


def merge(cur: Cursor, rows: EventRows, verdict: Verdict) -> StoredRows:
    """Rows whose event id is not stored yet; what PostgreSQL refuses is bisected down to the row.

    Raises `TooManyRefused`, and `SinkError` where a rule of the table is in the way.
    """
    # Outside of savepoints, since to make it anew costs more than a merge.
    cur.execute(_PASSING_STAGING if isinstance(cur.connection, PooledConnection) else _STAGING)
    cur.execute(_SQL.immediate)
    found = swallowed_by.triggers(cur)
    # A conflict is nothing that a table without triggers swallows.
    watch = swallowed_by.explain(found) if found or verdict != "conflict" else None
    refused: list[RefusedRow] = []
    stored: dict[int, int] = {}
    for frame in rows.frames:
        _add(stored, _merge(cur, frame, refused, watch))
    return StoredRows(stored, refused)


def one(conn: Connection, event_id: str) -> dict[str, Any] | None:
    """The row of an event, by column."""
    cur = conn.execute(_ONE, {"event_id": event_id})
    row = cur.fetchone()
    if row is None or cur.description is None:
        return None
    return {column.name: value for column, value in zip(cur.description, row, strict=True)}


def count(conn: Connection) -> dict[tuple[str, int], int]:
    """How many rows there are, by event type and number of the partition."""
    return {(event_type, number): rows for event_type, number, rows in conn.execute(_SQL.count)}


def _present(cur: Cursor, rows: EventRows) -> int:
    """How many of the events are in the table."""
    ids = [event_id for frame in rows.frames for event_id in frame[EVENT_ID].to_list()]
    row = cur.execute(_SQL.present, {"ids": ids}).fetchone()
    return int(row[0]) if row else 0


def _merge(cur: Cursor, frame: pl.DataFrame, refused: list[RefusedRow], watch: str | None) -> dict[int, int]:
    if not frame.height:
        return {}
    try:
        with cur.connection.transaction():
            return _merge_whole(cur, to_binary(frame, COPIED_TYPES), watch)
    except _Swallowed as error:
        # Whatever was done with them is undone, and the rest goes again without them.
        gone = pl.DataFrame(error.places, {PARTITION: pl.Int32, OFFSET: pl.Int64}, orient="row")
        out = frame.join(gone, on=[PARTITION, OFFSET], how="semi")
        refused += [RefusedRow(int(row), "Swallowed", watch or "", silently=True) for row in out["row"]]
        if len(refused) > PIECE and frame.height > PIECE:
            raise TooManyRefused(f"triggers swallow more than {PIECE} records of a batch") from error
        return _merge(cur, frame.join(gone, on=[PARTITION, OFFSET], how="anti"), refused, watch)
    except (DatabaseError, UnicodeError) as error:
        swallowed_by.refuse_rules(cur, error)
        if isinstance(error, DatabaseError) and missing.is_missing(error):
            raise SinkError(missing.explained(error), "retry") from error
        if classify(error) not in ("data", "conflict"):
            raise
        if frame.height == 1:
            text = one_line(error) or type(error).__name__
            refused.append(RefusedRow(int(frame["row"][0]), type(error).__name__, text, sqlstate(error)))
            if len(refused) > PIECE:
                raise TooManyRefused(f"PostgreSQL refuses more than {PIECE} records of a batch") from error
            return {}
    # Among many refused records the halves of a few are refused too: look at each at once.
    step = 1 if frame.height <= _FEW else (frame.height + 1) // 2
    stored: dict[int, int] = {}
    for piece in frame.iter_slices(step):
        _add(stored, _merge(cur, piece, refused, watch))
    return stored


def _merge_whole(cur: Cursor, rows: bytes, watch: str | None) -> dict[int, int]:
    _write(cur, _COPY_STAGING, rows)
    cur.execute(_MERGE)
    stored = {int(number): int(count) for number, count in cur.fetchall()}
    if watch is not None and (places := cur.execute(_SQL.swallowed).fetchall()):
        raise _Swallowed(places)
    cur.execute(_EMPTY_STAGING)
    return stored


def _write(cur: Cursor, statement: bytes, rows: bytes) -> None:
    with cur.copy(statement) as out:
        out.write(rows)


def _with_values(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with the columns that are made from others."""
    made = [one.value.alias(one.name) for one in COPIED if one.value is not None]
    return frame.with_columns(made) if made else frame


def _add(total: dict[int, int], more: Mapping[int, int]) -> None:
    for key, number in more.items():
        total[key] = total.get(key, 0) + number
