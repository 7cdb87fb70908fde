"""What the database has counted, at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.postgres import statements
from etld.postgres.snapshot import snapshot
from etld.reconcile.positions import read_positions
from etld.sinks.postgres import read_rows, removed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from etld.postgres.connections import Connection
    from etld.reconcile.positions import PositionCounts
    from etld.sinks.postgres.removed import Removed

_SQL = statements.load(__package__, "counts")
_POSITIONS = statements.load("etld.sinks.postgres", "positions")


@dataclass(frozen=True, slots=True)
class LetterCounts:
    """What became of dead records.

    `known`: records of the dead letter queue that the tables tell of. `announced` and `unannounced`: parked letters
    that were, and were not yet, sent to parked_events. `dead_by_topic`: what processors counted, at least and at most;
    `by_topic`: the dead letters that tell of them, the outbox included. Both by topic of the dead record.
    """

    known: int
    unannounced: int
    announced: int
    dead_by_topic: dict[str, tuple[int, int]]
    by_topic: dict[str, int]


@dataclass(frozen=True, slots=True)
class LakePartitionCounts:
    """Rows of a table of the lake by number of the partition: those in its files, and as many as the positions say.

    Both are of the snapshot `snapshot_id`.
    """

    event_type: str
    partition: int
    rows: int
    expected: int
    snapshot_id: int
    counted_at: datetime


@dataclass(frozen=True, slots=True)
class LakeCounts:
    """A table of the lake as of a snapshot: its rows, and as many as the positions in that snapshot account for."""

    event_type: str
    table: str
    rows: int
    expected: int
    files: int
    bytes: int
    committed_at: datetime
    snapshot_id: int


@dataclass(frozen=True, slots=True)
class Counts:
    """All counts of one moment.

    `ended`: what earlier lives of positions had stored, by (group, topic, partition). `rows`: those of
    processed_events, by (event type, partition), and `removed` what is gone from it on purpose.
    """

    positions: Sequence[PositionCounts]
    ended: dict[tuple[str, str, int], int]
    rows: dict[tuple[str, int], int]
    removed: dict[tuple[str, int], Removed]
    letters_by_state: dict[str, int]
    outbox: int
    letters: LetterCounts
    lake: Sequence[LakeCounts] = ()
    lake_partitions: Sequence[LakePartitionCounts] = ()


def read_counts(conn: Connection, cluster_id: str) -> Counts:
    """Read everything in one snapshot."""
    with snapshot(conn):
        positions = read_positions(conn, cluster_id)
        ended = conn.execute(_POSITIONS.ended, {"cluster": cluster_id}).fetchall()
        states = conn.execute(_SQL.letters_by_state).fetchall()
        outbox = conn.execute(_SQL.outbox).fetchone()
        return Counts(
            positions,
            {(group, topic, partition): stored for group, topic, partition, stored in ended},
            read_rows.count(conn),
            removed.read(conn),
            {state: int(count) for state, count in states},
            int(outbox[0]) if outbox else 0,
            _read_letter_counts(conn),
            [LakeCounts(*row) for row in conn.execute(_SQL.lake)],
            [LakePartitionCounts(*row) for row in conn.execute(_SQL.lake_partitions)],
        )


def _read_letter_counts(conn: Connection) -> LetterCounts:
    known, unannounced, announced = conn.execute(_SQL.letters_known).fetchall()[0]
    return LetterCounts(
        known,
        unannounced,
        announced,
        {topic: (least, most) for topic, least, most in conn.execute(_SQL.dead_by_topic)},
        dict(conn.execute(_SQL.letters_by_topic).fetchall()),
    )
