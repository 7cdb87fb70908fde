"""Events taken out of the summaries again, exactly, while others are added.

What can be subtracted is: numbers of events, sums and averages. What cannot (the smallest value was one of those that
go; a sum is nothing now, or zero of what is left) is recomputed for just these rows of the summary, as of what the
aggregator has counted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from etld.postgres.compose import SQL, Composable, Composed, Identifier, Literal
from etld.summaries import backfill, expired_totals, live, table_sql
from etld.summaries.live import NotYet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etld.postgres.connections import Connection
    from etld.summaries.backfill import CountedStream
    from etld.summaries.model import Measure, Summary

_LESS, _UNCLEAR, _AGAIN = SQL("pg_temp.etld_less"), SQL("pg_temp.etld_unclear"), SQL("pg_temp.etld_again")
_COMMA, _AND, _OR = SQL(", "), SQL(" AND "), SQL(" OR ")
# Seconds that the processors have, while the aggregator stands still, to come to where it is.
_CATCH_UP, _LOOK_EVERY = 4.0, 0.05
# Buckets of days are an hour longer or shorter when the clocks change.
_SLACK = 7200


def hold(conn: Connection, stream: CountedStream, summaries: Sequence[Summary]) -> list[Summary]:
    """Nothing is counted, and no summary made or filled, until the end of the transaction; those to restate.

    Raises `NotYet` while one is not filled yet, or is made otherwise than here.
    """
    held = live.hold(conn, summaries)
    backfill.hold_positions(conn, stream)
    return held


def take_out(conn: Connection, stream: CountedStream, summary: Summary, gone: Composable) -> int:
    """Take the events of the relation `gone`, no longer in the table, out of a summary; how many of its rows changed.

    In a transaction that holds, of events that the aggregator has counted. Raises `NotYet` when a row has to be
    recomputed and a processor does not come to where the aggregator is.
    """
    _make(conn, _LESS, table_sql.recompute(summary, source=gone))
    changed: int = conn.execute(_subtract(summary)).rowcount
    if not changed:
        return 0
    for count in (measure for measure in summary.measures if measure.function == "count"):
        conn.execute(
            SQL("DELETE FROM {} t USING {} g WHERE {} AND t.{} = 0").format(
                table_sql.table(summary), _LESS, _same(summary, "t", "g"), Identifier(count.name)
            )
        )
        break
    _make(conn, _UNCLEAR, _unclear(summary))
    row = conn.execute(SQL("SELECT count(*) FROM {}").format(_UNCLEAR)).fetchone()
    if row and row[0]:
        _recompute(conn, stream, summary)
    return changed


def _recompute(conn: Connection, stream: CountedStream, summary: Summary) -> None:
    near = SQL(
        "e.triggered_at >= (SELECT min(bucket_start) FROM {0})"
        " AND e.triggered_at < (SELECT max(bucket_start) + make_interval(secs => {1}) FROM {0}) AND {2}"
    ).format(_UNCLEAR, Literal(summary.bucket + _SLACK), _counted(conn, stream))
    whole = expired_totals.added_to(conn, summary, table_sql.recompute(summary, near))
    _make(
        conn,
        _AGAIN,
        SQL("SELECT q.* FROM ({}) q JOIN {} u ON {}").format(whole, _UNCLEAR, _same(summary, "q", "u")),
    )
    table = table_sql.table(summary)
    values = _COMMA.join(SQL("{0} = a.{0}").format(Identifier(name)) for name, _ in summary.kept)
    conn.execute(SQL("UPDATE {} t SET {} FROM {} a WHERE {}").format(table, values, _AGAIN, _same(summary, "t", "a")))
    conn.execute(
        SQL("DELETE FROM {} t USING {} u WHERE {} AND NOT EXISTS (SELECT FROM {} a WHERE {})").format(
            table, _UNCLEAR, _same(summary, "t", "u"), _AGAIN, _same(summary, "a", "t")
        )
    )


def _counted(conn: Connection, stream: CountedStream) -> Composable:
    """Which rows `e` the aggregator, which stands still, has counted; waits until they are all there."""
    deadline = time.monotonic() + _CATCH_UP
    while True:
        found = backfill.counted_now(conn, stream)
        if found is not None:
            return found
        if time.monotonic() >= deadline:
            raise NotYet("a processor is behind the aggregator: does it run?")
        time.sleep(_LOOK_EVERY)


def _subtract(summary: Summary) -> Composed:
    changes = _COMMA.join(change for measure in summary.measures for change in _changes(measure))
    return SQL("UPDATE {} t SET {} FROM {} g WHERE {}").format(
        table_sql.table(summary), changes, _LESS, _same(summary, "t", "g")
    )


def _changes(measure: Measure) -> Iterator[Composable]:
    names = [Identifier(name) for name, _ in measure.columns]
    if measure.function in ("min", "max"):
        yield SQL("{0} = t.{0}").format(names[0])
    elif measure.function == "avg":
        yield SQL("{0} = CASE WHEN t.{1} > g.{1} THEN t.{0} - coalesce(g.{0}, 0) END").format(*names)
        yield SQL("{0} = t.{0} - g.{0}").format(names[1])
    else:
        yield SQL("{0} = t.{0} - coalesce(g.{0}, 0)").format(names[0])


def _unclear(summary: Summary) -> Composable:
    """The keys of rows, changed and still there, of which a subtraction does not tell what they are now."""
    doubts = [doubt for measure in summary.measures if (doubt := _doubt(measure)) is not None]
    if not any(measure.function == "count" for measure in summary.measures):
        doubts = [SQL("true")]  # is any event left at all?
    return SQL("SELECT {} FROM {} t JOIN {} g ON {} WHERE {}").format(
        _COMMA.join(SQL("t.") + Identifier(name) for name in summary.key),
        table_sql.table(summary),
        _LESS,
        _same(summary, "t", "g"),
        _OR.join(doubts) if doubts else SQL("false"),
    )


def _doubt(measure: Measure) -> Composable | None:
    name = Identifier(measure.columns[0][0])
    if measure.function == "sum":
        return SQL("(g.{0} IS NOT NULL AND t.{0} = 0)").format(name)
    if measure.function == "min":
        return SQL("g.{0} <= t.{0}").format(name)
    if measure.function == "max":
        return SQL("g.{0} >= t.{0}").format(name)
    return None


def _same(summary: Summary, one: str, other: str) -> Composable:
    """Are two rows those of one key?"""
    pairs = [SQL("{0}.bucket_start = {1}.bucket_start").format(SQL(one), SQL(other))]
    pairs += [
        SQL("{0}.{2} IS NOT DISTINCT FROM {1}.{2}").format(SQL(one), SQL(other), Identifier(group.name))
        for group in summary.groups
    ]
    return _AND.join(pairs)


def _make(conn: Connection, name: SQL, query: Composable) -> None:
    conn.execute(SQL("DROP TABLE IF EXISTS {}").format(name))
    conn.execute(SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS {}").format(name, query))
