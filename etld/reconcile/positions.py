"""How far each consumer group is in each partition, as the database has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.postgres import statements

if TYPE_CHECKING:
    from etld.postgres.connections import Connection

_SQL = statements.load("etld.sinks.postgres", "positions")


@dataclass(frozen=True, slots=True)
class PositionCounts:
    """The position of one consumer group in one partition, with its counts; the names are those of the table."""

    consumer_group: str
    topic: str
    partition: int
    topic_id: str
    start_offset: int
    next_offset: int
    consumed: int
    stored: int
    duplicate: int
    filtered: int
    dead: int
    gaps: int
    lost: int
    halted: str
    rewound: int = 0


def read_positions(conn: Connection, cluster_id: str) -> list[PositionCounts]:
    """The position of every consumer group in every partition of a cluster."""
    return [PositionCounts(*row) for row in conn.execute(_SQL.all, {"cluster": cluster_id})]
