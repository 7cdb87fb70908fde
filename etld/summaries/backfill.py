"""Where the stream takes over from the table, for a summary that is filled from processed_events.

A cut notes the aggregator's position in each partition: the stream brings what lies behind it, the table
gives what lies before. Offsets name an event only within one life of a topic, so that rows of earlier
lives (a topic made anew, another cluster) are told by when they were processed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.kafka.types import Partition
from etld.postgres import statements
from etld.postgres.compose import SQL, Composable, Literal
from etld.summaries import expired_totals, table_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from etld.postgres.connections import Connection
    from etld.summaries.model import Summary

_SQL = statements.load(__package__, "tables")


@dataclass(frozen=True, slots=True)
class _Position:
    topic_id: str
    start: int
    next: int


@dataclass(frozen=True, slots=True)
class _Positions:
    """Where everybody stands: the aggregator, the processors, and the processors' ended lives (topic id, when)."""

    own: Mapping[Partition, _Position]
    processors: Mapping[Partition, _Position]
    ended: Mapping[Partition, Sequence[tuple[str, str]]]

    def partitions(self) -> set[Partition]:
        """The partitions that anybody has a position in."""
        return set(self.own) | set(self.processors)


@dataclass(frozen=True, slots=True)
class CountedStream:
    """What the aggregator counts: its group's positions on a cluster, and the event type of each topic."""

    cluster_id: str
    group: str
    topics: Mapping[str, str]


def hold_positions(conn: Connection, stream: CountedStream) -> None:
    """No batch of the group is written from here to the end of the transaction."""
    conn.execute(_SQL.hold_positions, {"cluster": stream.cluster_id, "group": stream.group})


def note_cut(conn: Connection, stream: CountedStream) -> dict[str, Any]:
    """The cut at this moment, as JSON; in a transaction that holds the group's positions."""
    positions = _read_positions(conn, stream)
    row = conn.execute(_SQL.now).fetchone()
    assert row is not None
    noted_at: str = row[0]
    return {
        "noted_at": noted_at,
        "partitions": {str(partition): _cut(positions, partition, noted_at) for partition in positions.partitions()},
    }


def _cut(positions: _Positions, partition: Partition, noted_at: str) -> dict[str, Any]:
    """Of one partition: the offset and life that the stream takes over at, and when the life before it ended."""
    own, processor = positions.own.get(partition), positions.processors.get(partition)
    ended = positions.ended.get(partition, ())
    life = _either(processor, own).topic_id
    offset = own.next if own else None
    since = max((at for topic_id, at in ended if topic_id != life), default=None)
    if own and processor and own.topic_id != processor.topic_id:
        if any(topic_id == own.topic_id for topic_id, _ in ended):
            # The processor is in a newer life, which the stream brings from its begin.
            offset = 0
        else:
            life, since = own.topic_id, noted_at
    return {"offset": offset, "topic_id": life, "since": since}


def fill(
    conn: Connection, stream: CountedStream, summary: Summary, fence: Callable[[Connection], None] = lambda _conn: None
) -> bool | None:
    """Add what lies before the cut to the summary's table, in one transaction whose last statement is `fence`.

    True: done. False: the processors have not passed the cut yet. None: nothing to do, or another
    aggregator does it.
    """
    with conn.transaction():
        row = conn.execute(_SQL.take, {"name": summary.name}).fetchone()
        if row is None or row[0] != summary.definition():
            return None
        condition = _before(_read_positions(conn, stream), row[1], stream.topics)
        if condition is None:
            return False
        conn.execute("SET LOCAL statement_timeout = 0")
        # Summed up first and added then, so that the stream waits for the short step only.
        conn.execute("DROP TABLE IF EXISTS pg_temp.etld_backfill")
        conn.execute(
            SQL("CREATE TEMPORARY TABLE etld_backfill ON COMMIT DROP AS {}").format(
                expired_totals.added_to(conn, summary, table_sql.recompute(summary, condition))
            )
        )
        filled = SQL("SELECT * FROM pg_temp.etld_backfill")
        conn.execute(table_sql.insert(summary, filled, table_sql.table(summary)))
        conn.execute(_SQL.live, {"name": summary.name})
        fence(conn)
    return True


def counted_now(conn: Connection, stream: CountedStream) -> Composable | None:
    """Which rows `e` of processed_events the aggregator has counted; None while a processor has not passed it.

    In a transaction that holds the group's positions.
    """
    return _before(_read_positions(conn, stream), note_cut(conn, stream), stream.topics)


def not_counted(conn: Connection, stream: CountedStream) -> Composable:
    """Which rows `e` of events the aggregator has not counted yet, or not for certain."""
    positions = _read_positions(conn, stream)
    bounds: list[Composable] = []
    for partition in sorted(positions.partitions()):
        own, processor = positions.own.get(partition), positions.processors.get(partition)
        life = _either(processor, own).topic_id
        since = max((at for topic_id, at in positions.ended.get(partition, ()) if topic_id != life), default=None)
        bounds.append(
            SQL("({}, {}, {}, {}::timestamptz)").format(
                Literal(stream.topics[partition.topic]),
                Literal(partition.number),
                Literal(own.next if own and own.topic_id == life else 0),
                Literal(since or "-infinity"),
            )
        )
    if not bounds:
        return SQL("false")
    return SQL(
        "EXISTS (SELECT FROM (VALUES {}) AS p (event_type, partition, next_offset, since)"
        " WHERE p.event_type = e.event_type AND p.partition = e.kafka_partition"
        " AND e.kafka_offset >= p.next_offset AND e.processed_at > p.since)"
    ).format(SQL(", ").join(bounds))


def _before(positions: _Positions, cut: Mapping[str, Any], topics: Mapping[str, str]) -> Composable | None:
    """Which rows `e` of processed_events lie before the cut; None while a processor has not passed it."""
    noted_at = cut["noted_at"]
    bounds: list[Composable] = []
    for partition in sorted(positions.partitions()):
        entry = cut["partitions"].get(str(partition), {"offset": None, "topic_id": None, "since": noted_at})
        bound = _bound(positions, partition, entry, noted_at)
        if bound is None:
            return None
        offset, until = bound
        bounds.append(
            SQL("({}, {}, {}, {}::timestamptz, {}::timestamptz)").format(
                Literal(topics[partition.topic]),
                Literal(partition.number),
                Literal(offset),
                Literal(entry["since"] or "-infinity"),
                Literal(until or "infinity"),
            )
        )
    earlier = SQL("e.processed_at <= {}::timestamptz").format(Literal(noted_at))
    if not bounds:
        return earlier
    return SQL(
        "coalesce((SELECT e.processed_at <= p.since OR (e.kafka_offset < p.until_offset AND e.processed_at <= p.until)"
        " FROM (VALUES {}) AS p (event_type, partition, until_offset, since, until)"
        " WHERE p.event_type = e.event_type AND p.partition = e.kafka_partition), {})"
    ).format(SQL(", ").join(bounds), earlier)


def _bound(
    positions: _Positions, partition: Partition, entry: Mapping[str, Any], noted_at: str
) -> tuple[int, str | None] | None:
    """The offset before which rows of a partition count, and when its life ended; None while rows are missing."""
    own, processor = positions.own.get(partition), positions.processors.get(partition)
    offset, life = entry["offset"], entry["topic_id"]
    if offset is None:
        if own is None:
            # The processor reads a partition that the aggregator has not claimed yet.
            return None
        offset, life = own.start, life or own.topic_id
    ended = [at for topic_id, at in positions.ended.get(partition, ()) if topic_id == life and at > noted_at]
    until = min(ended, default=None)
    behind = processor is None or (processor.topic_id == life and processor.next < offset)
    if behind and until is None and offset > _either(processor, own).start:
        return None
    return offset, until


def _either(one: _Position | None, other: _Position | None) -> _Position:
    found = one or other
    assert found is not None
    return found


def _read_positions(conn: Connection, stream: CountedStream) -> _Positions:
    where = {"cluster": stream.cluster_id, "group": stream.group, "topics": list(stream.topics)}
    own: dict[Partition, _Position] = {}
    processors: dict[Partition, _Position] = {}
    for consumer_group, topic, number, *rest in conn.execute(_SQL.positions, where):
        (own if consumer_group == stream.group else processors)[Partition(topic, number)] = _Position(*rest)
    ended: dict[Partition, list[tuple[str, str]]] = {}
    for topic, number, topic_id, at in conn.execute(_SQL.ended_lives, where):
        ended.setdefault(Partition(topic, number), []).append((topic_id, at))
    return _Positions(own, processors, ended)
