"""Rows of processed_events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.store import sql

if TYPE_CHECKING:
    from etld.store.db import Connection, Cursor

_SQL = sql.load("events")

#: The columns of the CSV text, in order; the details are JSON.
COLUMNS = (
    "event_id",
    "event_name",
    "event_type",
    "user_details",
    "event_details",
    "triggered_at",
    "kafka_partition",
    "kafka_offset",
)
JSON_COLUMNS = ("user_details", "event_details")


def copy(cur: Cursor, csv: bytes) -> None:
    """All rows or, raising, none; raises UniqueViolation for an event id that is stored."""
    with cur.copy(_SQL.copy) as out:
        out.write(csv)


def merge(cur: Cursor, csv: bytes) -> dict[int, int]:
    """Rows whose event id is not stored yet; how many of them were new, by partition."""
    cur.execute(_SQL.staging)
    with cur.copy(_SQL.copy_staging) as out:
        out.write(csv)
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


def count(conn: Connection) -> int:
    """How many rows there are."""
    row = conn.execute(_SQL.count).fetchone()
    return int(row[0]) if row else 0
