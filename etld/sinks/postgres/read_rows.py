"""Rows of processed_events, as they stand: for those who write none, and need no frames for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.postgres import statements
from etld.sinks.postgres.columns import filled

if TYPE_CHECKING:
    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "read_rows")
_ONE = filled(_SQL.one)


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
