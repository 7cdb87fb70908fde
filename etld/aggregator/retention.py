"""Taking away events whose time is over: whole partitions, or rows of a partition that has others.

What they had in the summaries is kept, and the ledger counts them, in the transaction in which they go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.postgres import statements
from etld.postgres.compose import SQL, Composable, Literal
from etld.postgres.errors import LOCK_NOT_AVAILABLE, DatabaseError, sqlstate
from etld.sinks.postgres import removed
from etld.sinks.postgres.partitions import catalog
from etld.sinks.postgres.removed import Removed
from etld.summaries import expired
from etld.summaries.live import NotYet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from etld.postgres.connections import Connection
    from etld.sinks.postgres.partitions.catalog import EventPartition
    from etld.summaries.backfill import CountedStream
    from etld.summaries.model import Summary

_SQL = statements.load(__package__, "retention")
_TRIES = 5
# Pages of a table whose rows go at once: some thousand rows, so that nobody waits long for them.
_PAGES = 200


@dataclass(frozen=True, slots=True)
class Books:
    """What is told of rows that go: the summaries that had them, and what the aggregator counts.

    `fence` is the last statement of each transaction: it raises where another host does this by now.
    """

    stream: CountedStream
    summaries: Sequence[Summary]
    fence: Callable[[Connection], None]


#: Has a table rows that are to stay? Asked while nothing comes into it.
Spared = Callable[["Connection", "Composable"], bool]


def drop(
    conn: Connection, books: Books, leaf: EventPartition, pause: Callable[[float], object], spared: Spared
) -> bool:
    """Drop the oldest partition; False when others hold it, another daemon is at it, or rows of it are `spared`.

    A batch waits 0.3 s at most for a try. Raises `NotYet` while a summary does not know its rows yet, and what
    `books.fence` raises.
    """
    with conn.transaction():
        if not _alone(conn) or not _is_first(conn, leaf):
            return False
        try:
            with conn.transaction():
                conn.execute(_SQL.hurry)
                # Nothing comes into these rows, or leaves them, until the end.
                conn.execute(SQL("LOCK TABLE {} IN SHARE MODE").format(leaf.table))
        except DatabaseError as error:
            if sqlstate(error) != LOCK_NOT_AVAILABLE:
                raise
            return False
        if spared(conn, leaf.table):
            return False
        expired.keep(conn, books.stream, books.summaries, source=leaf.table)
        counted = _counted(conn, leaf.table, SQL("true"))
        for left in range(_TRIES - 1, -1, -1):
            try:
                with conn.transaction(), conn.cursor() as cur:
                    conn.execute(_SQL.hurry)
                    removed.add(cur, counted)
                    conn.execute(_SQL.forget, {"name": leaf.name})
                    conn.execute(SQL("DROP TABLE {}").format(leaf.table))
                    catalog.extend_past(conn, leaf.upper)
                    books.fence(conn)
            except DatabaseError as error:
                if sqlstate(error) != LOCK_NOT_AVAILABLE:
                    raise
                if left:
                    pause(0.2)
            else:
                return True
        raise NotYet(f"somebody reads {leaf.name}, or processed_events, for long")


def delete(
    conn: Connection, books: Books, table: Composable, condition: Composable, going: Callable[[], bool]
) -> Iterator[int]:
    """Delete the rows `e` of a table that meet a condition, some thousand at a time; how many each time.

    Ends early when `going()` is false, or another daemon is at it. Raises `NotYet` as `drop`.
    """
    (pages,) = conn.execute(
        SQL("SELECT (pg_relation_size({}::regclass) / 8192)::bigint").format(Literal(table.as_string(conn)))
    ).fetchone() or (0,)
    for page in range(0, pages, _PAGES):
        if not going():
            return
        with conn.transaction():
            if not _alone(conn):
                return
            here = SQL("e.ctid >= {}::tid AND e.ctid < {}::tid").format(
                Literal(f"({page},0)"), Literal(f"({page + _PAGES},0)")
            )
            query = SQL("SELECT e.ctid::text FROM {} e WHERE {} AND {} FOR UPDATE").format(table, here, condition)
            rows = [row[0] for row in conn.execute(query)]
            if rows:
                # Just these: what comes meanwhile may stand in the same pages.
                these = SQL("e.ctid = ANY({}::tid[])").format(Literal(rows))
                expired.keep(conn, books.stream, books.summaries, source=table, condition=these)
                with conn.cursor() as cur:
                    removed.add(cur, _counted(conn, table, these))
                conn.execute(SQL("DELETE FROM {} e WHERE {}").format(table, these))
                books.fence(conn)
        yield len(rows)


def before(moment: datetime, untold: Composable) -> Composable:
    """Which rows were accepted before a moment; `untold` is when those of which nobody knows it were."""
    return SQL("coalesce(e.accepted_at, {}) < {}").format(untold, Literal(moment))


def _alone(conn: Connection) -> bool:
    row = conn.execute(_SQL.one_at_a_time).fetchone()
    return row is not None and bool(row[0])


def _is_first(conn: Connection, leaf: EventPartition) -> bool:
    row = conn.execute(_SQL.is_first, {"name": leaf.name, "late": catalog.LATE}).fetchone()
    return row is not None and bool(row[0])


def _counted(conn: Connection, table: Composable, condition: Composable) -> dict[tuple[str, int], Removed]:
    query = SQL("SELECT e.event_type, e.kafka_partition, count(*) FROM {} e WHERE {} GROUP BY 1, 2")
    rows = conn.execute(query.format(table, condition))
    return {(event_type, number): Removed(expired=count) for event_type, number, count in rows}
