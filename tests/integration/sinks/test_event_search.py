"""Searching for events: by type, name, user and time, page by page, with and without the time for all of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from etld.postgres.connections import Connection, connect
from etld.postgres.migrate import migrate
from etld.sinks.postgres.event_search import EventSearch, FoundEvents, lacks, search

pytestmark = pytest.mark.integration

NEWEST = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def conn(database: str) -> Iterator[Connection]:
    """300 events, one an hour, of ten users; three of each moment share it."""
    with connect(database, application_name="etld test") as made:
        migrate(made)
        with made.cursor() as cur:
            cur.executemany(
                "INSERT INTO processed_events (event_id, event_name, event_type, user_details, event_details,"
                " triggered_at, accepted_at, kafka_partition, kafka_offset)"
                " VALUES (%s, %s, 'purchase', jsonb_build_object('user_id', %s::bigint), '{}', now(), %s, 0, %s)",
                [
                    (uuid.UUID(int=n + 1), f"name-{n % 2}", n % 10, NEWEST - timedelta(hours=n // 3), n)
                    for n in range(300)
                ],
            )
        yield made


def found(conn: Connection, wanted: EventSearch, limit: int = 1000, seconds: float = 60.0) -> FoundEvents:
    with conn.transaction():
        return search(conn, wanted, limit, seconds)


def test_what_matches_is_found_once_and_in_order(conn: Connection) -> None:
    """Every filter narrows; pages follow each other without a gap, also within one moment; the newest come first."""
    everything = found(conn, EventSearch())
    assert (len(everything.rows), everything.complete) == (300, True)
    times = [row["accepted_at"] for row in everything.rows]
    assert times == sorted(times, reverse=True)

    pages: list[str] = []
    wanted = EventSearch()
    while True:
        page = found(conn, wanted, limit=7)
        pages += [row["event_id"] for row in page.rows]
        if page.complete:
            break
        wanted = EventSearch(until=page.looked_back_to, after=page.rows[-1]["event_id"])
    assert pages == [row["event_id"] for row in everything.rows]

    narrow = {
        "a user": (EventSearch(user="7"), 30),
        "a name": (EventSearch(event_name="name-1"), 150),
        "a user of the other name": (EventSearch(user="7", event_name="name-0"), 0),
        "a type that is not there": (EventSearch(event_type="order"), 0),
        "a time": (EventSearch(since=NEWEST - timedelta(hours=9), until=NEWEST - timedelta(hours=5)), 15),
        "what is SQL elsewhere": (EventSearch(user="7' OR '1'='1"), 0),
    }
    assert {what: len(found(conn, one).rows) for what, (one, _) in narrow.items()} == {
        what: number for what, (_, number) in narrow.items()
    }


def test_a_search_ends_with_its_time(conn: Connection) -> None:
    """It tells how far it looked, and that there may be more."""
    conn.execute(
        "ALTER TABLE processed_events RENAME TO slow_events; CREATE VIEW processed_events AS SELECT e.*"
        " FROM slow_events e, LATERAL (SELECT pg_sleep(CASE WHEN e.accepted_at < '2026-02-28' THEN 60 ELSE 0 END)) s"
    )
    page = found(conn, EventSearch(user="7", until=NEWEST), seconds=1.5)
    assert (page.full, page.complete) == (False, False)
    assert page.looked_back_to > datetime(2026, 2, 28, tzinfo=UTC)
    assert all(row["accepted_at"] > page.looked_back_to for row in page.rows)


def test_indexes_that_would_help_are_told_until_they_are_there(conn: Connection) -> None:
    """The SQL that is told makes what was missing."""
    missing = lacks(conn)
    assert sorted(missing) == ["name", "time", "user"]
    for sql in missing.values():
        conn.execute(sql.encode())
    assert lacks(conn) == {}
