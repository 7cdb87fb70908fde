"""The event ids that the aggregator has counted: one partition of etld.counted_event a day."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final

from etld.postgres import statements
from etld.postgres.compose import SQL, Identifier, Literal
from etld.sinks.postgres.unwrap import connection_of, cursor_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.postgres.connections import Connection
    from etld.sinks.base import SideConnection, Transaction

_SQL = statements.load(__package__, "counted_events")
#: What `copy` takes.
COLUMNS: Final = {"event_id": "uuid"}
_PARTITION = re.compile(r"counted_event_(\d{8})")


def today() -> dt.date:
    """The day that is counted on now, UTC."""
    return dt.datetime.now(dt.UTC).date()


def days(conn: Connection) -> set[dt.date]:
    """The days that have a partition."""
    names = (_PARTITION.fullmatch(row[0]) for row in conn.execute(_SQL.partitions))
    return {dt.date.fromisoformat(match[1]) for match in names if match}


def keep(side: SideConnection, day: dt.date, window: float) -> set[dt.date]:
    """Make the partitions of `day` and the day after, drop those older than `window` seconds; what there is."""
    return _keep(connection_of(side), day, window)


def keep_within(transaction: Transaction, day: dt.date, window: float) -> set[dt.date]:
    """The same, in a batch's transaction: its day has begun since the last look."""
    return _keep(cursor_of(transaction).connection, day, window)


def _keep(conn: Connection, day: dt.date, window: float) -> set[dt.date]:
    oldest = day - dt.timedelta(seconds=window)
    wanted = {day, day + dt.timedelta(days=1)}
    there = days(conn)
    if wanted <= there and all(one >= oldest for one in there):
        return there
    with conn.transaction():
        conn.execute(_SQL.lock)
        there = days(conn)
        for one in sorted(wanted - there):
            make(conn, one)
        for one in sorted(one for one in there if one < oldest):
            conn.execute(SQL("DROP TABLE {}").format(_table(one)))
            there = there - {one}
    return there | wanted


def make(conn: Connection, day: dt.date) -> None:
    """Make the partition of a day if it is missing."""
    after = day + dt.timedelta(days=1)
    conn.execute(
        SQL(
            "CREATE TABLE IF NOT EXISTS {} PARTITION OF etld.counted_event (PRIMARY KEY (event_id))"
            " FOR VALUES FROM ({}) TO ({})"
        ).format(_table(day), Literal(day), Literal(after))
    )
    # So that a COPY need not repeat the day in every line.
    conn.execute(SQL("ALTER TABLE {} ALTER counted_on SET DEFAULT {}").format(_table(day), Literal(day)))


def known(
    transaction: Transaction, ids: Sequence[str], lowest: str, highest: str, among: Sequence[dt.date]
) -> set[str]:
    """Which of these ids were counted on the days `among`; `lowest` and `highest` are theirs.

    A day whose ids all lie outside that range, as with ids that grow with time, costs two look-ups.
    """
    if not among:
        return set()
    cur = cursor_of(transaction)
    ranges = SQL(", ").join(
        SQL(
            "(SELECT event_id::text FROM {0} ORDER BY event_id LIMIT 1),"
            " (SELECT event_id::text FROM {0} ORDER BY event_id DESC LIMIT 1)"
        ).format(_table(day))
        for day in among
    )
    found = cur.execute(SQL("SELECT {}").format(ranges)).fetchone()
    assert found is not None
    near = [
        day
        for day, low, high in zip(among, found[::2], found[1::2], strict=True)
        if low is not None and low <= highest and high >= lowest
    ]
    if not near:
        return set()
    cur.execute(_SQL.among, {"days": near, "ids": f"{{{','.join(ids)}}}"})
    return {row[0] for row in cur.fetchall()}


def copy(transaction: Transaction, day: dt.date, rows: bytes) -> None:
    """Note ids (COLUMNS, in binary) as counted on `day`; raises UniqueViolation when one is noted on that day."""
    table = _table(day)
    with cursor_of(transaction).copy(SQL("COPY {} (event_id) FROM STDIN (FORMAT binary)").format(table)) as out:
        out.write(rows)


def _table(day: dt.date) -> Identifier:
    return Identifier("etld", f"counted_event_{day:%Y%m%d}")
