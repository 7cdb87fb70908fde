"""Buckets that are days of a place: the aggregator and the recompute agree, at every change of its clocks."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import uuid
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from etld.config import Config
from etld.postgres.connections import Connection
from etld.summaries.chart_data import read_charts
from support.aggregator_harness import AggregatorHarness, config, purchase

pytestmark = pytest.mark.integration

# Clocks change at midnight, twice through it, by half an hour, by a whole day, at one minute past; some never do.
ZONES = (
    "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/Havana", "Australia/Lord_Howe", "Pacific/Apia",
    "America/St_Johns", "Asia/Kathmandu", "Asia/Beirut", "Africa/Monrovia", "Atlantic/Azores", "Africa/Cairo",
)  # fmt: skip
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)


def _zoned(directory: Path, zone: str, bucket: str = "1 d") -> Config:
    line = '"Europe/Berlin".\ntimezone = '
    return config(directory, **{'bucket = "1 h"': f'bucket = "{bucket}"', f'{line}"UTC"': f'{line}"{zone}"'})


def _changes(zone: str, year: int) -> list[dt.datetime]:
    """The hours of a year after which the clocks of a place are others, in UTC."""
    place = ZoneInfo(zone)
    hours = [dt.datetime(year, 1, 1, tzinfo=dt.UTC) + i * HOUR for i in range(366 * 24)]
    return [
        a for a, b in itertools.pairwise(hours) if a.astimezone(place).utcoffset() != b.astimezone(place).utcoffset()
    ]


def _first_of(day: dt.date, zone: str) -> dt.datetime:
    """The first instant of a day of a place, to the minute."""
    place = ZoneInfo(zone)
    at = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC) - 16 * HOUR
    while at.astimezone(place).date() < day:
        at += 15 * MINUTE
    while (at - MINUTE).astimezone(place).date() >= day:
        at -= MINUTE
    return at


@pytest.mark.parametrize("zone", ZONES)
def test_both_ways_to_a_bucket_are_one(conn: Connection, tmp_path: Path, zone: str) -> None:
    """Around each change of the clocks in years of all kinds, those without minutes too."""
    harness = AggregatorHarness(conn, tmp_path, _zoned(tmp_path, zone))
    harness.fill()
    draw = random.Random(zone)
    years = [1885, 1919, 1968, 1972, *draw.sample(range(1973, 2037), 6)]
    times = [
        change + dt.timedelta(seconds=draw.randint(-100_000, 100_000))
        for year in years
        for change in _changes(zone, year) or [dt.datetime(year, 6, 1, tzinfo=dt.UTC)]
        for _ in range(25)
    ]
    events = [purchase(str(uuid.UUID(int=draw.getrandbits(128))), i / 100, at) for i, at in enumerate(times)]
    for i, event in enumerate(events):
        harness.store(event, i)
    for at in range(0, len(events), 60):
        harness.count(harness.batch([harness.value(event) for event in events[at : at + 60]], at))
    assert harness.compare() == []
    assert conn.execute("SELECT sum(events) FROM etld.summary_purchase").fetchone() == (len(events),)
    starts = {row[0] for row in conn.execute("SELECT bucket_start FROM etld.summary_purchase")}
    place = ZoneInfo(zone)
    wanted = {_first_of(at.astimezone(place).date(), zone) for at in times if at.year > 1972}
    assert wanted <= starts


def test_days_have_the_hours_of_the_place(conn: Connection, tmp_path: Path) -> None:
    """23 and 25 of them; weeks begin on its Mondays; the chart is labelled by its clock."""
    harness = AggregatorHarness(conn, tmp_path, _zoned(tmp_path, "Europe/Berlin"))
    harness.fill()
    day = dt.datetime(2026, 3, 28, 23, 0, tzinfo=dt.UTC)
    times = [day - dt.timedelta(seconds=1), day, day + 22 * HOUR + 59 * MINUTE, day + 23 * HOUR]
    for i, at in enumerate(times):
        event = purchase(str(uuid.uuid4()), 1.0, at)
        harness.store(event, i)
        harness.count(harness.batch([harness.value(event)], i))
    rows = conn.execute("SELECT bucket_start, events FROM etld.summary_purchase ORDER BY 1").fetchall()
    assert rows == [(day - DAY, 1), (day, 2), (day + 23 * HOUR, 1)]
    assert harness.compare() == []
    sections = harness.config.summaries
    (chart,) = [one for one in read_charts(harness.side, harness.summaries, sections) if one.name == "purchase_summary"]
    assert "2026-03-28 00:00 to 2026-03-31 00:00 Europe/Berlin" in chart.source
    weeks = AggregatorHarness(conn, tmp_path, _zoned(tmp_path, "Europe/Berlin", "7 d"))
    weeks.fill()
    assert weeks.compare() == []
    query = "SELECT (bucket_start AT TIME ZONE 'Europe/Berlin')::text FROM etld.summary_purchase ORDER BY 1"
    assert conn.execute(query.encode()).fetchall() == [("2026-03-23 00:00:00",), ("2026-03-30 00:00:00",)]
