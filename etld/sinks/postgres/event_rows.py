"""Rows of processed_events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.postgres import statements
from etld.postgres.errors import DatabaseError, classify, sqlstate
from etld.sinks.base import PIECE, EventRows, RefusedRow, StoredRows, TooManyRefused
from etld.sinks.postgres.columns import COPIED, COPIED_TYPES, EVENT_ID, filled
from etld.sinks.postgres.copy_binary import to_binary
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from etld.postgres.connections import Connection, Cursor

_SQL = statements.load(__package__, "event_rows")
_COPY, _STAGING, _COPY_STAGING = filled(_SQL.copy), filled(_SQL.staging), filled(_SQL.copy_staging)
_MERGE, _EMPTY_STAGING, _ONE = filled(_SQL.merge), _SQL.empty_staging, filled(_SQL.one)
# So few rows, one of which is refused, are looked at one by one.
_FEW = 8


def encode(frames: Sequence[pl.DataFrame]) -> EventRows:
    """Frames of events with their bytes for COPY, None when there are no rows."""
    ready = [_with_values(frame) for frame in frames]
    payload = to_binary(ready, COPIED_TYPES, EVENT_ID) if any(frame.height for frame in ready) else None
    return EventRows(ready, payload)


def copy(cur: Cursor, rows: EventRows) -> None:
    """All rows or, raising, none; raises UniqueViolation for an event id that is stored."""
    if rows.payload is not None:
        _write(cur, _COPY, rows.payload)


def merge(cur: Cursor, rows: EventRows) -> StoredRows:
    """Rows whose event id is not stored yet; what PostgreSQL refuses is bisected down to the row.

    Raises `TooManyRefused`.
    """
    # Outside of savepoints, since to make it anew costs more than a merge.
    cur.execute(_STAGING)
    refused: list[RefusedRow] = []
    stored: dict[int, int] = {}
    for frame in rows.frames:
        _add(stored, _merge(cur, frame, refused))
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


def _merge(cur: Cursor, frame: pl.DataFrame, refused: list[RefusedRow]) -> dict[int, int]:
    if not frame.height:
        return {}
    try:
        with cur.connection.transaction():
            return _merge_whole(cur, to_binary(frame, COPIED_TYPES))
    except (DatabaseError, UnicodeError) as error:
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
        _add(stored, _merge(cur, piece, refused))
    return stored


def _merge_whole(cur: Cursor, rows: bytes) -> dict[int, int]:
    _write(cur, _COPY_STAGING, rows)
    cur.execute(_MERGE)
    stored = {int(number): int(count) for number, count in cur.fetchall()}
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
