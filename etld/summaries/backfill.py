"""Where the stream takes over from the table, for a summary that is filled from processed_events.

A cut notes the aggregator's position in each partition: the stream brings what lies behind it, the table
gives what lies before. Offsets name an event only within one life of a topic, so that rows of earlier
lives (a topic made anew, another cluster) are told by when they were processed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.postgres import statements
from etld.postgres.compose import SQL, Composable, Literal
from etld.summaries import table_sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.postgres.connections import Connection
    from etld.summaries.model import Summary

_SQL = statements.load(__package__, "tables")
Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Position:
    topic_id: str
    start: int
    next: int


def note(conn: Connection, cluster_id: str, group: str, topics: Sequence[str]) -> dict[str, Any]:
    """The cut at this moment, as JSON; in a transaction that holds the group's positions."""
    mine, theirs, lives = _state(conn, cluster_id, group, topics)
    row = conn.execute(_SQL.now).fetchone()
    assert row is not None
    noted_at = row[0]
    partitions = {}
    for key in mine.keys() | theirs.keys():
        own, processor = mine.get(key), theirs.get(key)
        ended = lives.get(key, [])
        life = (processor or own).topic_id  # type: ignore[union-attr]
        offset = own.next if own else None
        since = max((at for topic_id, at in ended if topic_id != life), default=None)
        if own and processor and own.topic_id != processor.topic_id:
            if any(topic_id == own.topic_id for topic_id, _ in ended):
                # The processor is in a newer life, which the stream brings from its begin.
                offset = 0
            else:
                life, since = own.topic_id, noted_at
        partitions[f"{key[0]}:{key[1]}"] = {"offset": offset, "topic_id": life, "since": since}
    return {"noted_at": noted_at, "partitions": partitions}


def fill(conn: Connection, cluster_id: str, group: str, summary: Summary, topics: Mapping[str, str]) -> bool | None:
    """Add what lies before the cut to the summary's table, in one transaction.

    True: done. False: the processors have not passed the cut yet. None: nothing to do, or another
    aggregator does it.
    """
    with conn.transaction():
        row = conn.execute(_SQL.take, {"name": summary.name}).fetchone()
        if row is None or row[0] != summary.definition():
            return None
        condition = _before(conn, cluster_id, group, row[1], topics)
        if condition is None:
            return False
        conn.execute("SET LOCAL statement_timeout = 0")
        # Summed up first and added then, so that the stream waits for the short step only.
        conn.execute("DROP TABLE IF EXISTS pg_temp.etld_backfill")
        conn.execute(
            SQL("CREATE TEMPORARY TABLE etld_backfill ON COMMIT DROP AS {}").format(
                table_sql.recompute(summary, condition)
            )
        )
        conn.execute(table_sql.insert(summary, SQL("SELECT * FROM pg_temp.etld_backfill")))
        conn.execute(_SQL.live, {"name": summary.name})
    return True


def _before(
    conn: Connection, cluster_id: str, group: str, cut: Mapping[str, Any], topics: Mapping[str, str]
) -> Composable | None:
    """Which rows `e` of processed_events lie before the cut; None while a processor has not passed it."""
    mine, theirs, lives = _state(conn, cluster_id, group, list(topics))
    noted_at = cut["noted_at"]
    rows: list[Composable] = []
    for key in sorted(mine.keys() | theirs.keys()):
        own, processor = mine.get(key), theirs.get(key)
        entry = cut["partitions"].get(f"{key[0]}:{key[1]}", {"offset": None, "topic_id": None, "since": noted_at})
        offset, life = entry["offset"], entry["topic_id"]
        if offset is None:
            if own is None:
                # The processor reads a partition that the aggregator has not claimed yet.
                return None
            offset, life = own.start, life or own.topic_id
        ended = min((at for topic_id, at in lives.get(key, []) if topic_id == life and at > noted_at), default=None)
        behind = processor is None or (processor.topic_id == life and processor.next < offset)
        if behind and ended is None and offset > (processor or own).start:  # type: ignore[union-attr]
            return None
        rows.append(
            SQL("({}, {}, {}, {}::timestamptz, {}::timestamptz)").format(
                Literal(topics[key[0]]),
                Literal(key[1]),
                Literal(offset),
                Literal(entry["since"] or "-infinity"),
                Literal(ended or "infinity"),
            )
        )
    earlier = SQL("e.processed_at <= {}::timestamptz").format(Literal(noted_at))
    if not rows:
        return earlier
    return SQL(
        "coalesce((SELECT e.processed_at <= p.since OR (e.kafka_offset < p.off AND e.processed_at <= p.until)"
        " FROM (VALUES {}) AS p (event_type, part, off, since, until)"
        " WHERE p.event_type = e.event_type AND p.part = e.kafka_partition), {})"
    ).format(SQL(", ").join(rows), earlier)


def _state(
    conn: Connection, cluster_id: str, group: str, topics: Sequence[str]
) -> tuple[dict[Key, _Position], dict[Key, _Position], dict[Key, list[tuple[str, str]]]]:
    """The group's positions, the processors', and the processors' ended lives: (topic id, when)."""
    where = {"cluster": cluster_id, "group": group, "topics": list(topics)}
    mine: dict[Key, _Position] = {}
    theirs: dict[Key, _Position] = {}
    for consumer_group, topic, partition, *rest in conn.execute(_SQL.positions, where):
        (mine if consumer_group == group else theirs)[(topic, partition)] = _Position(*rest)
    lives: dict[Key, list[tuple[str, str]]] = {}
    for topic, part, topic_id, at in conn.execute(_SQL.lives, where):
        lives.setdefault((topic, part), []).append((topic_id, at))
    return mine, theirs, lives
