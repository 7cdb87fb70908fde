"""The ledger of events that were stored and are gone: expired by retention, or forgotten.

`rows = stored - expired - forgotten`, by event type and number of the Kafka partition. A record that on arrival is too
old, or of a forgotten subject, counts as stored and as gone at once, and makes no row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.postgres import statements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.postgres.connections import Connection, Cursor

_SQL = statements.load(__package__, "removed")


@dataclass(frozen=True, slots=True)
class Removed:
    """How many events are gone, by why."""

    expired: int = 0
    forgotten: int = 0


def add(cur: Cursor, removed: Mapping[tuple[str, int], Removed]) -> None:
    """Count more, by (event type, number of the partition); in the transaction in which they go."""
    if removed:
        cur.execute(
            _SQL.add,
            {
                "event_types": [event_type for event_type, _ in removed],
                "partitions": [number for _, number in removed],
                "expired": [one.expired for one in removed.values()],
                "forgotten": [one.forgotten for one in removed.values()],
            },
        )


def read(conn: Connection) -> dict[tuple[str, int], Removed]:
    """How many are gone, by (event type, number of the partition)."""
    return {(event_type, number): Removed(*counts) for event_type, number, *counts in conn.execute(_SQL.all)}
