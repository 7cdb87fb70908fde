"""What events that are gone had in the summaries, so that the end of an event's time changes no summary.

Each summary has a second table of its form, etld.expired_<name>: what the rows had in it that were removed because
their time was over. Table = recompute of the rows that there are + that, at any moment, and a summary that is filled
anew loses nothing. One that is added, or grouped otherwise, after events have expired begins without them, on both
sides of the equation.

Who removes rows calls `keep` in the transaction that does it, before it does:

    with conn.transaction():
        # Nothing may come into these rows, or leave them, until the end of the transaction.
        conn.execute(SQL("LOCK TABLE {} IN SHARE MODE").format(leaf))
        expired.keep(conn, stream, summaries, source=leaf)
        conn.execute(SQL("DROP TABLE {}").format(leaf))

Adding up five million rows takes seconds and disturbs nobody, while the lock of the DROP has to be had at once: try
that again by itself, each time in a savepoint. For a part of the rows lock them (SELECT … FOR UPDATE) and name just
those in `condition`: "e.ctid = ANY(…)", with their leaf as `source`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.postgres.compose import SQL, Composable, Literal
from etld.summaries import expired_totals, table_sql
from etld.summaries.backfill import not_counted
from etld.summaries.live import NotYet, hold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.postgres.connections import Connection
    from etld.summaries.backfill import CountedStream
    from etld.summaries.model import Summary


def keep(
    conn: Connection,
    stream: CountedStream,
    summaries: Sequence[Summary],
    source: Composable = table_sql.EVENTS,
    condition: Composable = table_sql.ALL,
) -> None:
    """Add what the rows `e` of `source` that meet `condition` have in each summary to its totals of expired events.

    `summaries` are those of the configuration, and `stream` what the aggregator counts. The transaction's
    statement_timeout is off afterwards. Raises `NotYet`, nothing changed, while a summary is being made or filled, or
    the aggregator has not counted one of the rows.
    """
    conn.execute("SET LOCAL statement_timeout = 0")
    live = hold(conn, summaries)
    types = sorted({event_type for summary in live for event_type in summary.event_types})
    _refuse_uncounted(conn, stream, types, source, condition)
    for summary in live:
        expired_totals.add(conn, summary, table_sql.recompute(summary, condition, source))


def _refuse_uncounted(
    conn: Connection, stream: CountedStream, types: Sequence[str], source: Composable, condition: Composable
) -> None:
    """What the aggregator has yet to count would be counted twice in a summary that is filled anew before it does."""
    query = SQL("SELECT e.event_type, e.kafka_partition FROM {} e WHERE e.event_type = ANY({}) AND ({}) AND {} LIMIT 1")
    found = conn.execute(query.format(source, Literal(list(types)), condition, not_counted(conn, stream))).fetchone()
    if found is not None:
        raise NotYet(f"the aggregator has not counted all {found[0]} events of partition {found[1]}: does it run?")
