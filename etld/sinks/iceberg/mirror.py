"""What a table of the lake says of itself, as rows of PostgreSQL: for `etld status`, `etld reconcile` and people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.kafka.types import Partition
from etld.postgres import statements
from etld.sinks.iceberg import positions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pyiceberg.table import Table

    from etld.kafka.types import Offset
    from etld.postgres.connections import Connection
    from etld.sinks.base import Consumer
    from etld.sinks.iceberg.positions import Book, LakePosition

_SQL = statements.load(__package__, "mirror")
_COLUMNS = (
    *("topic_id", "start", "next", "epoch", "owner", "consumed", "stored", "duplicate", "filtered", "dead"),
    *("gaps", "lost", "halted"),
)


@dataclass(frozen=True, slots=True)
class LakeState:
    """A table as of one of its snapshots, of which `snapshots` can be read: its rows, files and their bytes.

    `expected`: as many rows as the positions in the snapshot account for. `book` are those of one consumer, if of any.
    Of a commit of ours: how many `seconds` it took, and when its `newest` event was taken, in microseconds since 1970.
    """

    name: str
    snapshot: int
    sequence: int
    rows: int
    files: int
    bytes: int
    committed: int
    snapshots: int
    expected: int
    book: Book
    seconds: float | None = None
    newest: int | None = None

    @classmethod
    def of(cls, name: str, table: Table, book: Book) -> LakeState:
        """As the newest snapshot says."""
        snapshot = table.current_snapshot()
        assert snapshot is not None
        told = {} if snapshot.summary is None else snapshot.summary.additional_properties
        rows, files, size = (int(told.get(one, 0)) for one in ("total-records", "total-data-files", "total-files-size"))
        return cls(
            name,
            snapshot.snapshot_id,
            snapshot.sequence_number or 0,
            rows,
            files,
            size,
            snapshot.timestamp_ms,
            len(table.metadata.snapshots),
            positions.expected(table).total(),
            book,
        )


@dataclass(frozen=True, slots=True)
class Noted:
    """A position as PostgreSQL has it, which a person may have changed since."""

    topic_id: str
    next: Offset
    epoch: int
    halted: str

    def is_order(self, mine: LakePosition) -> bool:
        """Has a person said from where the partition goes on that stands still at `mine`?"""
        return bool(mine.halted) and not self.halted and self.epoch > mine.epoch


def write(conn: Connection, consumer: Consumer, event_type: str, state: LakeState, own: Collection[Partition]) -> None:
    """Note the table, and the positions of partitions that are ours. Raises psycopg errors."""
    mine = {partition: position for partition, position in state.book.items() if partition in own}
    with conn.transaction():
        conn.execute(_SQL.positions, {**_ids(consumer), **_arrays(mine)})
        write_table(conn, event_type, state)


def write_table(conn: Connection, event_type: str, state: LakeState) -> None:
    """Note the table alone. Raises psycopg errors."""
    conn.execute(
        _SQL.table,
        {
            "event_type": event_type,
            "name": state.name,
            "snapshot": state.snapshot,
            "sequence": state.sequence,
            "rows": state.rows,
            "expected": state.expected,
            "files": state.files,
            "bytes": state.bytes,
            "committed": state.committed,
            "snapshots": state.snapshots,
            "newest": state.newest,
            "seconds": state.seconds,
        },
    )


def counted_snapshot(conn: Connection, event_type: str) -> tuple[int, int | None] | None:
    """The newest snapshot that is noted, and the one whose rows were counted; None before there is one.

    Raises psycopg errors.
    """
    row = conn.execute(_SQL.counted, {"event_type": event_type}).fetchone()
    return None if row is None else (row[0], row[1])


def write_counts(
    conn: Connection, event_type: str, snapshot: int, rows: Mapping[int, int], expected: Mapping[int, int]
) -> None:
    """Note the rows of a snapshot by number of the partition, and as many as are expected. Raises psycopg errors."""
    numbers = sorted(rows.keys() | expected.keys())
    with conn.transaction():
        conn.execute(_SQL.forget_counts, {"event_type": event_type})
        conn.execute(
            _SQL.counts,
            {
                "event_type": event_type,
                "snapshot": snapshot,
                "partitions": numbers,
                "rows": [rows.get(number, 0) for number in numbers],
                "expected": [expected.get(number, 0) for number in numbers],
            },
        )


def write_upkeep(conn: Connection, event_type: str, told: str) -> None:
    """Note that the files were looked after, and what came of it. Raises psycopg errors."""
    conn.execute(_SQL.upkeep, {"event_type": event_type, "told": told})


def noted(conn: Connection, consumer: Consumer) -> dict[Partition, Noted]:
    """The positions that PostgreSQL has of a consumer. Raises psycopg errors."""
    rows = conn.execute(_SQL.noted, _ids(consumer)).fetchall()
    return {Partition(topic, number): Noted(*more) for topic, number, *more in rows}


def _ids(consumer: Consumer) -> dict[str, str]:
    return {"cluster": consumer.cluster_id, "group": consumer.group}


def _arrays(mine: Mapping[Partition, LakePosition]) -> dict[str, list[Any]]:
    return {
        "topic": [one.topic for one in mine],
        "partition": [one.number for one in mine],
        **{name: [getattr(one, name) for one in mine.values()] for name in _COLUMNS},
    }
