"""What the database knows, in one snapshot, for `etld reconcile` and `etld trace`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.postgres import statements
from etld.postgres.snapshot import snapshot
from etld.sinks.postgres import event_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "accounting")
_POSITIONS = statements.load("etld.sinks.postgres", "positions")


@dataclass(frozen=True, slots=True)
class PositionRow:
    """A position with its counts; the names are those of the table."""

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


@dataclass(frozen=True, slots=True)
class LetterBooks:
    """What became of dead records. `known`: records of the dead letter queue that the tables tell of.

    `dead` and `told` are by topic of the dead record: what processors counted (at least, at most), and the
    letters that tell of them, the outbox included. `announced` letters were sent to parked_events.
    """

    known: int
    unannounced: int
    announced: int
    dead: dict[str, tuple[int, int]]
    told: dict[str, int]


@dataclass(frozen=True, slots=True)
class Books:
    """All counts of one moment.

    `ended`: what earlier lives of positions had stored, by (group, topic, partition). `rows`: those of
    processed_events, by (event type, partition).
    """

    positions: Sequence[PositionRow]
    ended: dict[tuple[str, str, int], int]
    rows: dict[tuple[str, int], int]
    letters_by_state: dict[str, int]
    outbox: int
    letters: LetterBooks


def books(conn: Connection, cluster_id: str) -> Books:
    """Read everything in one repeatable-read snapshot."""
    with snapshot(conn):
        rows = conn.execute(_POSITIONS.all, {"cluster": cluster_id}).fetchall()
        ended = conn.execute(_POSITIONS.ended, {"cluster": cluster_id}).fetchall()
        states = conn.execute(_SQL.letters_by_state).fetchall()
        waiting = conn.execute(_SQL.outbox).fetchone()
        return Books(
            [PositionRow(*row) for row in rows],
            {(group, topic, partition): stored for group, topic, partition, stored in ended},
            event_rows.count(conn),
            {state: int(count) for state, count in states},
            int(waiting[0]) if waiting else 0,
            _letter_books(conn),
        )


def _letter_books(conn: Connection) -> LetterBooks:
    known, unannounced, announced = conn.execute(_SQL.letters_known).fetchall()[0]
    return LetterBooks(
        known,
        unannounced,
        announced,
        {topic: (least, most) for topic, least, most in conn.execute(_SQL.dead_by_topic)},
        dict(conn.execute(_SQL.letters_by_topic).fetchall()),
    )


def letters_of(conn: Connection, event_id: str) -> list[dict[str, Any]]:
    """The dead letters of an event (or the one with this id), oldest first, each with its attempts."""
    found = _records(conn, _SQL.letters_of_event, {"event_id": event_id})
    for letter in found:
        letter["tries"] = _records(conn, _SQL.attempts, {"id": letter["id"]})
    return found


def outbox_of(conn: Connection, event_id: str) -> list[dict[str, Any]]:
    """Dead letters of an event (or the one with this id) that have yet to go to the dead letter queue."""
    return _records(conn, _SQL.outbox_of_event, {"event_id": event_id})


def _records(conn: Connection, statement: Any, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    cur = conn.execute(statement, parameters)
    names = [column.name for column in cur.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cur.fetchall()]
