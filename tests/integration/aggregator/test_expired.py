"""Rows that are removed when their time is over take nothing from a summary, whatever is done to it afterwards."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path
from typing import Any

import pytest

from etld.postgres.compose import SQL, Literal
from etld.postgres.connections import Connection
from etld.summaries import expired, tables
from etld.summaries.live import NotYet
from support.aggregator_harness import GROUP, AggregatorHarness, config, purchase

pytestmark = pytest.mark.integration

T0 = dt.datetime(2026, 5, 4, 10, 30, tzinfo=dt.UTC)
PROCESSOR = "etld-processor-purchase"
MEASURES = 'events = "count", revenue = { sum = "event_details.price" }'
ALL_KINDS = {
    MEASURES: f'{MEASURES}, least = {{ min = "event_details.price" }}, most = {{ max = "event_details.price" }}'
}


def _count(harness: AggregatorHarness, prices: list[float], offset: int) -> None:
    """So many purchases from this offset on, a minute apart, stored and counted."""
    events = [purchase(str(uuid.uuid4()), price, T0 + dt.timedelta(minutes=i)) for i, price in enumerate(prices)]
    for i, event in enumerate(events, offset):
        harness.store(event, i)
    harness.count(harness.batch([harness.value(event) for event in events], offset))
    harness.position(PROCESSOR, offset + len(prices))
    harness.position(GROUP, offset + len(prices))


def _expire(harness: AggregatorHarness, before: int) -> int:
    """Remove rows below that offset as the keeper does."""
    condition = SQL("e.kafka_offset < {}").format(Literal(before))
    with harness.conn.transaction():
        expired.keep(harness.conn, harness.stream, harness.summaries, condition=condition)
        gone = harness.conn.execute("DELETE FROM processed_events WHERE kafka_offset < %s", (before,))
    return gone.rowcount


def _rows(conn: Connection) -> list[Any]:
    return conn.execute("SELECT * FROM etld.summary_purchase ORDER BY bucket_start, event_name").fetchall()


def _harness(conn: Connection, directory: Path, **changes: str) -> AggregatorHarness:
    made = AggregatorHarness(conn, directory, config(directory, **changes))
    made.fill()
    return made


def test_what_expired_stays_in_every_measure(conn: Connection, tmp_path: Path) -> None:
    """Counts, sums, averages, smallest and largest; also when they are filled anew, and more of them expire."""
    harness = _harness(conn, tmp_path, **ALL_KINDS)
    _count(harness, [0.1, 500.0, 0.2, 19.99], 0)
    before = _rows(conn)
    assert _expire(harness, 2) == 2
    assert _rows(conn) == before
    assert harness.compare() == []
    tables.rebuild(conn, harness.stream, harness.summaries[0])
    assert harness.fill() == [True, None, None]
    assert _rows(conn) == before
    assert _expire(harness, 4) == 2
    assert harness.compare() == []
    _count(harness, [1.0], 4)
    tables.rebuild(conn, harness.stream, harness.summaries[0])
    harness.fill()
    assert harness.compare() == []
    row = conn.execute("SELECT events, revenue::text, least, most FROM etld.summary_purchase").fetchone()
    assert row == (5, "521.29", 0.1, 500.0)
    conn.execute("UPDATE etld.summary_purchase SET events = 4")
    (difference,) = harness.compare()
    assert "events is 4, recomputed 5" in difference


def test_what_is_not_counted_yet_may_not_go(conn: Connection, tmp_path: Path) -> None:
    """An aggregator that is behind would count it again, in a table that is filled meanwhile."""
    harness = _harness(conn, tmp_path)
    _count(harness, [1.0, 2.0], 0)
    late = purchase(str(uuid.uuid4()), 3.0, T0)
    harness.store(late, 2)
    harness.position(PROCESSOR, 3)
    with pytest.raises(NotYet, match="not counted all purchase events of partition 0"):
        _expire(harness, 3)
    assert _expire(harness, 2) == 2
    harness.count(harness.batch([harness.value(late)], 2))
    harness.position(GROUP, 3)
    assert _expire(harness, 3) == 1
    assert harness.compare() == []


def test_an_earlier_life_of_the_topic_is_counted(conn: Connection, tmp_path: Path) -> None:
    """Its offsets are higher than the position in the new one."""
    harness = _harness(conn, tmp_path)
    _count(harness, [1.0, 2.0], 700)
    harness.end_life(PROCESSOR, "TOPIC_RECREATED")
    for group in (PROCESSOR, GROUP):
        harness.position(group, 0, topic_id="new life")
    assert _expire(harness, 1000) == 2
    again = purchase(str(uuid.uuid4()), 3.0, T0)
    harness.store(again, 0)
    harness.position(PROCESSOR, 1, topic_id="new life")
    with pytest.raises(NotYet):
        _expire(harness, 1000)


def test_nothing_goes_while_a_summary_is_made(conn: Connection, tmp_path: Path) -> None:
    """Being filled, or as another configuration has it."""
    harness = _harness(conn, tmp_path)
    _count(harness, [1.0, 2.0], 0)
    tables.rebuild(conn, harness.stream, harness.summaries[0])
    with pytest.raises(NotYet, match="purchase is still being filled"):
        _expire(harness, 2)
    harness.fill()
    conn.execute("UPDATE etld.summary SET definition = '{}' WHERE name = 'order'")
    with pytest.raises(NotYet, match="order is not made as the configuration says"):
        _expire(harness, 2)


def test_a_summary_that_changes_keeps_what_it_can(conn: Connection, tmp_path: Path) -> None:
    """More or fewer measures keep what expired, other buckets do not; table and recompute agree on it."""
    old = _harness(conn, tmp_path, **ALL_KINDS)
    _count(old, [1.0, 2.0, 4.0], 0)
    assert _expire(old, 1) == 1
    fewer = _harness(conn, tmp_path)
    assert fewer.compare() == []
    assert conn.execute("SELECT events, revenue FROM etld.summary_purchase").fetchone() == (3, 7)
    more = _harness(conn, tmp_path, **ALL_KINDS)
    assert more.compare() == []
    assert conn.execute("SELECT events, least FROM etld.summary_purchase").fetchone() == (3, 2.0)
    other = _harness(conn, tmp_path, **{'bucket = "1 h"': 'bucket = "1 d"'})
    assert other.compare() == []
    assert conn.execute("SELECT events FROM etld.summary_purchase").fetchone() == (2,)
    assert _expire(other, 2) == 1
    assert other.compare() == []
