"""Searching processed_events for people: the newest first, some at a time, within a time that is theirs to wait.

Events are looked for backwards in time, in spans that grow, until the time is over. In a table of millions that needs
the indexes of `WANTED`: the one of blocks alone is only as good as the last vacuum.

The answer says how far back it looked, and where to go on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from etld.postgres import statements
from etld.postgres.errors import DatabaseError, sqlstate
from etld.sinks.postgres.columns import filled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "event_search")
_FOUND = filled(_SQL.found)
_CANCELED = "57014"
#: The first span, and how much longer each is than the one before.
_FIRST, _GROWTH = timedelta(seconds=10), 12
#: No event is older, whatever its clock.
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
#: Clocks of brokers may go before this one's.
_AHEAD = timedelta(hours=1)

#: Indexes that make a search for something rare fast, by what they help with: what each leads with, and its SQL.
WANTED = {
    "time": (
        ("accepted_at", ""),
        "CREATE INDEX ON public.processed_events (accepted_at)",
    ),
    "user": (
        ("(user_details ->> 'user_id'::text)", "accepted_at"),
        "CREATE INDEX ON public.processed_events ((user_details ->> 'user_id'), accepted_at)",
    ),
    "name": (
        ("event_name", "accepted_at"),
        "CREATE INDEX ON public.processed_events (event_name, accepted_at)",
    ),
}


@dataclass(frozen=True, slots=True)
class EventSearch:
    """What is looked for; None: any. `since` and `until` bound when Kafka took it, both included.

    `after` is the id of an event that Kafka took at `until`: only events that come after it in the order of the answer.
    """

    event_type: str | None = None
    event_name: str | None = None
    user: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class FoundEvents:
    """Rows by column, the newest first. `looked_back_to`: every match since then is here, or `full` is true.

    `full`: there were as many as were asked for, and there may be more. `complete`: there are no others.
    """

    rows: list[dict[str, Any]]
    looked_back_to: datetime
    full: bool
    complete: bool


def search(conn: Connection, wanted: EventSearch, limit: int, seconds: float) -> FoundEvents:
    """Look for events in an open transaction, for at most so many seconds. Raises psycopg errors."""
    deadline = time.monotonic() + seconds
    now = datetime.now(UTC)
    upper = wanted.until or now + _AHEAD
    lowest = wanted.since or _BEGIN
    rows: list[dict[str, Any]] = []
    after = wanted.after
    for lower in _spans(min(upper, now), lowest):
        left = deadline - time.monotonic()
        if left <= 0:
            return FoundEvents(rows, upper, full=False, complete=False)
        try:
            with conn.transaction():
                conn.execute(f"SET LOCAL statement_timeout = {max(1, int(left * 1000))}".encode())
                found = _span(conn, wanted, (lower, upper, after), limit - len(rows))
        except DatabaseError as error:
            if sqlstate(error) != _CANCELED:
                raise
            return FoundEvents(rows, upper, full=False, complete=False)
        rows += found
        if len(rows) >= limit:
            return FoundEvents(rows, rows[-1]["accepted_at"], full=True, complete=False)
        # The next span ends where this one begins, without what was taken at that very moment.
        upper, after = lower - timedelta(microseconds=1), None
    return FoundEvents(rows, lowest, full=False, complete=True)


def lacks(conn: Connection) -> dict[str, str]:
    """The indexes that a search would like to have and that are not there: what each helps with, and how it is made."""
    there = [(first, second) for first, second in conn.execute(_SQL.index_columns)]
    return {
        name: sql
        for name, ((first, second), sql) in WANTED.items()
        if not any(has == first and (not second or then == second) for has, then in there)
    }


def _spans(newest: datetime, lowest: datetime) -> Iterator[datetime]:
    """Where each span begins, the newest first."""
    length = _FIRST
    while newest - lowest > length:
        yield newest - length
        length *= _GROWTH
    yield lowest


def _span(
    conn: Connection, wanted: EventSearch, within: tuple[datetime, datetime, str | None], limit: int
) -> list[dict[str, Any]]:
    lower, upper, after = within
    parameters = {
        "lower": lower,
        "upper": upper,
        "after": after,
        "event_type": wanted.event_type,
        "event_name": wanted.event_name,
        "user": wanted.user,
        "limit": limit,
    }
    cur = conn.execute(_FOUND, parameters)
    names = [column.name for column in cur.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cur.fetchall()]
