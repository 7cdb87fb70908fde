"""Rows of processed_events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from etld.postgres import statements

if TYPE_CHECKING:
    from etld.postgres.connections import Connection, Cursor

_SQL = statements.load(__package__, "event_rows")

#: The columns that are copied, in order, and their types: those of a fixed size first, so that they are packed
#: side by side.
COLUMNS: Final = {
    "event_id": "uuid",
    "triggered_at": "timestamptz",
    "kafka_partition": "integer",
    "kafka_offset": "bigint",
    "event_name": "text",
    "event_type": "text",
    "user_details": "jsonb",
    "event_details": "jsonb",
}


def copy(cur: Cursor, rows: bytes) -> None:
    """All rows or, raising, none; raises UniqueViolation for an event id that is stored."""
    with cur.copy(_SQL.copy) as out:
        out.write(rows)


def stage(cur: Cursor) -> None:
    """Have the table that `merge` needs; outside of savepoints, since to make it anew costs more than a merge."""
    cur.execute(_SQL.staging)


def merge(cur: Cursor, rows: bytes) -> dict[int, int]:
    """Rows whose event id is not stored yet; how many of them were new, by partition. After `stage`."""
    with cur.copy(_SQL.copy_staging) as out:
        out.write(rows)
    cur.execute(_SQL.merge)
    stored = {int(part): int(count) for part, count in cur.fetchall()}
    cur.execute(_SQL.empty_staging)
    return stored


def one(conn: Connection, event_id: str) -> dict[str, Any] | None:
    """The row of an event, by column."""
    cur = conn.execute(_SQL.one, {"event_id": event_id})
    row = cur.fetchone()
    if row is None or cur.description is None:
        return None
    return {column.name: value for column, value in zip(cur.description, row, strict=True)}


def count(conn: Connection) -> dict[tuple[str, int], int]:
    """How many rows there are, by event type and partition."""
    return {(event_type, part): rows for event_type, part, rows in conn.execute(_SQL.count)}
