"""A new or changed summary is filled from the table, each event once."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path

import pytest

from etld.postgres.connections import Connection
from support.aggregator_harness import GROUP, AggregatorHarness, config, purchase

pytestmark = pytest.mark.integration

T0 = dt.datetime(2026, 5, 4, 10, 30, tzinfo=dt.UTC)
PROCESSOR = "etld-processor-purchase"
DAILY = {'bucket = "1 h"': 'bucket = "1 d"'}


def _events(count: int) -> list[dict[str, object]]:
    return [purchase(str(uuid.uuid4()), i / 100, T0 + dt.timedelta(minutes=i)) for i in range(count)]


def test_the_stream_goes_on_where_the_table_ends(conn: Connection, tmp_path: Path) -> None:
    """Offsets before the cut come from the table once the processor has passed it, the others by the stream."""
    events = _events(30)
    old = AggregatorHarness(conn, tmp_path)
    old.fill()
    old.count(old.batch([old.value(e) for e in events[:20]]))
    old.position(GROUP, 20)
    for i, event in enumerate(events[:12]):
        old.store(event, i)
    old.position(PROCESSOR, 12)
    new = AggregatorHarness(conn, tmp_path, config(tmp_path, **DAILY))
    assert new.fill() == [False, False, False]
    new.count(new.batch([new.value(e) for e in events[20:25]], 20))
    new.position(GROUP, 25)
    for i, event in enumerate(events[12:], 12):
        new.store(event, i)
    new.position(PROCESSOR, 30)
    assert new.fill() == [True, True, True]
    assert new.fill() == [None, None, None]
    new.count(new.batch([new.value(e) for e in events[25:]], 25))
    assert new.compare() == []
    assert conn.execute("SELECT sum(events) FROM etld.summary_purchase").fetchone() == (30,)


def test_the_first_start_counts_nothing_twice(conn: Connection, tmp_path: Path) -> None:
    """Filling runs after processors and aggregator have begun."""
    harness = AggregatorHarness(conn, tmp_path)
    events = _events(10)
    for i, event in enumerate(events):
        harness.store(event, i)
    harness.position(PROCESSOR, 10)
    assert harness.fill() == [False, False, False], "the aggregator has not claimed the partition yet"
    harness.position(GROUP, 0)
    harness.count(harness.batch([harness.value(e) for e in events]))
    assert harness.fill() == [True, True, True]
    assert harness.compare() == []


def test_rows_of_an_earlier_life_of_a_topic_are_all_in_the_table(conn: Connection, tmp_path: Path) -> None:
    """An in-memory broker begins at offset 0 again."""
    old = AggregatorHarness(conn, tmp_path)
    old.fill()
    before, after = _events(8), _events(6)
    for i, event in enumerate(before):
        old.store(event, i)
    old.count(old.batch([old.value(e) for e in before]))
    old.position(PROCESSOR, 8, topic_id="former")
    old.end_life(PROCESSOR, "in-memory broker restarted")
    for i, event in enumerate(after):
        old.store(event, i)
    old.count(old.batch([old.value(e) for e in after[:3]]))
    old.position(GROUP, 3)
    old.position(PROCESSOR, 6)
    new = AggregatorHarness(conn, tmp_path, config(tmp_path, **DAILY))
    assert new.fill() == [True, True, True]
    new.count(new.batch([new.value(e) for e in after[3:]], 3))
    assert new.compare() == []


def test_a_summary_that_went_and_came_back_is_filled_anew(conn: Connection, tmp_path: Path) -> None:
    """Its table stayed, and missed what came meanwhile."""
    events = _events(4)
    harness = AggregatorHarness(conn, tmp_path)
    harness.fill()
    kept = harness.summaries
    harness.summaries = [one for one in kept if one.name != "purchase"]
    assert harness.sync() == []
    for i, event in enumerate(events):
        harness.store(event, i)
    harness.count(harness.batch([harness.value(e) for e in events]))
    harness.position(GROUP, 4)
    harness.position(PROCESSOR, 4)
    harness.summaries = kept
    assert harness.sync() == ["purchase"]
    assert harness.fill() == [True, None, None]
    assert harness.compare() == []
