"""The event ids that the aggregator has counted: one partition of etld.counted_event a day."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from etld.config.names import AGGREGATOR
from etld.postgres import statements
from etld.postgres.compose import SQL, Identifier, Literal
from etld.sinks.postgres.unwrap import connection_of, cursor_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.postgres.connections import Connection, Cursor
    from etld.sinks.base import SideConnection, Transaction

_SQL = statements.load(__package__, "counted_events")
#: What `copy` takes.
COLUMNS: Final = {"accepted_at": "timestamptz", "event_id": "uuid"}
_PARTITION = re.compile(r"counted_event_(\d{8})")


def today() -> dt.date:
    """The day that is counted on now, UTC."""
    return dt.datetime.now(dt.UTC).date()


def days(conn: Connection) -> set[dt.date]:
    """The days that have a partition."""
    names = (_PARTITION.fullmatch(row[0]) for row in conn.execute(_SQL.partitions))
    return {dt.date.fromisoformat(match[1]) for match in names if match}


def total(side: SideConnection) -> int:
    """How many events the aggregators of all hosts have counted, in the present lives of their positions."""
    row = connection_of(side).execute(_SQL.total, {"group": AGGREGATOR}).fetchone()
    assert row is not None
    return int(row[0])


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


@dataclass(frozen=True, slots=True)
class CountedIds:
    """Ids of a batch that are noted: those of events that were counted, which come `again`, and those of new events.

    Of the latter `renewed` has those that are noted on the same day, for `renew` instead of `copy`.
    """

    again: set[str]
    renewed: set[str]


def known(
    transaction: Transaction, events: pl.DataFrame, among: Sequence[dt.date], day: dt.date, window: float
) -> CountedIds:
    """Which events (COLUMNS) were counted on the days `among`, `day` being today.

    An id is known for `window` seconds, as `processed_events` has it. A day whose ids all lie outside the range of
    these, as with ids that grow with time, costs two look-ups.
    """
    if not among:
        return CountedIds(set(), set())
    cur, ids = cursor_of(transaction), events["event_id"]
    lowest, highest = str(ids.min()), str(ids.max())
    ranges = SQL(", ").join(
        SQL(
            "(SELECT event_id::text FROM {0} ORDER BY event_id LIMIT 1),"
            " (SELECT event_id::text FROM {0} ORDER BY event_id DESC LIMIT 1)"
        ).format(_table(one))
        for one in among
    )
    found = cur.execute(SQL("SELECT {}").format(ranges)).fetchone()
    assert found is not None
    near = [
        one
        for one, low, high in zip(among, found[::2], found[1::2], strict=True)
        if low is not None and low <= highest and high >= lowest
    ]
    if not near:
        return CountedIds(set(), set())
    rows = cur.execute(_SQL.among, {"days": near, "ids": f"{{{','.join(ids.to_list())}}}"}).fetchall()
    return _sorted_out(cur, rows, events, day, window) if rows else CountedIds(set(), set())


def _sorted_out(
    cur: Cursor,
    rows: Sequence[tuple[str, dt.datetime | None, dt.date]],
    events: pl.DataFrame,
    day: dt.date,
    window: float,
) -> CountedIds:
    """Those of the ids found whose event is one with the one that comes, and those of another event of today."""
    some = events.filter(pl.col("event_id").is_in([event_id for event_id, _, _ in rows]))
    comes = dict(zip(some["event_id"].to_list(), some["accepted_at"].to_list(), strict=True))
    reach = dt.timedelta(seconds=window)
    again: set[str] = set()
    doubtful: list[tuple[str, dt.datetime]] = []
    for event_id, accepted, _ in rows:
        if accepted is None or abs(comes[event_id] - accepted) <= reach:
            again.add(event_id)
        else:
            doubtful.append((event_id, accepted))
    if doubtful:
        # Two rows of one partition of the table are one event, however far apart.
        cur.execute(
            _SQL.one_event,
            {
                "ids": [event_id for event_id, _ in doubtful],
                "before": [accepted for _, accepted in doubtful],
                "after": [comes[event_id] for event_id, _ in doubtful],
                "window": window,
            },
        )
        again |= {event_id for (event_id,) in cur}
    return CountedIds(again, {event_id for event_id, _, counted_on in rows if counted_on == day} - again)


def copy(transaction: Transaction, day: dt.date, rows: bytes) -> None:
    """Note events (COLUMNS, in binary) as counted on `day`; raises UniqueViolation when an id is noted on that day."""
    columns = SQL(", ").join(map(Identifier, COLUMNS))
    statement = SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(_table(day), columns)
    with cursor_of(transaction).copy(statement) as out:
        out.write(rows)


def renew(transaction: Transaction, day: dt.date, events: pl.DataFrame) -> None:
    """Note events as counted on `day` whose ids are noted on it for another event."""
    times = {"ids": events["event_id"].to_list(), "accepted": events["accepted_at"].to_list(), "day": day}
    cursor_of(transaction).execute(_SQL.renew, times)


def _table(day: dt.date) -> Identifier:
    return Identifier("etld", f"counted_event_{day:%Y%m%d}")
