"""Summaries equal a recompute, whatever the batches, repeats and retries."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etld.postgres.connections import Connection
from etld.sinks.base import RecordCounts
from etld.summaries import counted_events, tables
from support.aggregator_harness import AggregatorHarness, config, purchase

pytestmark = pytest.mark.integration

T0 = dt.datetime(2026, 5, 4, 10, 30, tzinfo=dt.UTC)
_directories = itertools.count()

prices = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(0, 100_000).map(lambda cents: cents / 100),
    st.sampled_from([1e300, -1e300, 5e-324, 1e12, 1e-3, 0.1, 0.2, -0.0]),
)
times = st.one_of(
    # The bounds are in the zone that is drawn.
    st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59), timezones=st.just(dt.UTC)),  # noqa: DTZ001
    st.timedeltas(dt.timedelta(0), dt.timedelta(hours=3)).map(lambda delta: T0 + delta),
)
names = st.one_of(
    st.sampled_from(["added_to_cart", "payment_successful"]),
    st.text(max_size=5).filter(lambda name: "\0" not in name),
    st.just("long" * 200),
)


@st.composite
def streams(draw: st.DrawFn) -> list[list[dict[str, object]]]:
    """Batches of purchases in which some event ids come again, the same event with it."""
    count = draw(st.integers(1, 25))
    events = [purchase(str(uuid.UUID(int=i * 7919)), draw(prices), draw(times), draw(names)) for i in range(count)]
    sent = draw(st.lists(st.sampled_from(events), min_size=1, max_size=60))
    cuts = sorted(draw(st.sets(st.integers(0, len(sent)), max_size=5)) | {0, len(sent)})
    return [sent[a:b] for a, b in itertools.pairwise(cuts)]


def test_any_split_with_any_repeats_equals_a_recompute(conn: Connection, tmp_path: Path) -> None:
    """To the last digit: sums are exact decimals."""
    harness = AggregatorHarness(conn, tmp_path)
    harness.fill()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(streams())
    def check(batches: list[list[dict[str, object]]]) -> None:
        conn.execute("TRUNCATE processed_events, etld.counted_event, etld.summary_purchase")
        offset = 0
        for events in batches:
            batch = harness.batch([harness.value(event) for event in events], offset)
            new = sum(harness.store(event, offset + i) for i, event in enumerate(events))
            try:
                outcomes = harness.count(batch)
            except psycopg.errors.UniqueViolation:
                outcomes = harness.count(batch, "conflict")
            assert sum(t.stored for t in outcomes[("event_purchase", 0)]) == new
            assert sum(t.stored + t.duplicate for t in outcomes[("event_purchase", 0)]) == len(events)
            offset += len(events)
        assert harness.compare() == []

    check()


def test_a_redelivery_counts_nothing_twice(conn: Connection, tmp_path: Path) -> None:
    """The first try is refused by the unique index, the second leaves out what was counted."""
    harness = AggregatorHarness(conn, tmp_path)
    harness.fill()
    events = [purchase(str(uuid.uuid4()), 19.99, T0) for _ in range(10)]
    values = [harness.value(event) for event in events]
    harness.count(harness.batch(values))
    more = [*values[:4], harness.value(purchase(str(uuid.uuid4()), 0.01, T0))]
    with pytest.raises(psycopg.errors.UniqueViolation):
        harness.count(harness.batch(more, 10))
    outcomes = harness.count(harness.batch(more, 10), "conflict")
    assert outcomes[("event_purchase", 0)] == [RecordCounts(stored=5), RecordCounts(stored=-4, duplicate=4)]
    row = conn.execute("SELECT events, revenue::text, average_price FROM etld.summary_purchase").fetchone()
    assert row is not None
    assert row[:2] == (11, "199.91")


def test_ids_of_earlier_days_are_known_until_the_window_ends(conn: Connection, tmp_path: Path) -> None:
    """An anti-join over the live partitions; older ones are dropped."""
    harness = AggregatorHarness(conn, tmp_path)
    harness.fill()
    event = purchase(str(uuid.uuid4()), 1.0, T0)
    yesterday = counted_events.today() - dt.timedelta(days=1)
    ancient = counted_events.today() - dt.timedelta(days=9)
    for day in (yesterday, ancient):
        counted_events.make(conn, day)
        conn.execute(f"INSERT INTO etld.counted_event VALUES ('{day}', '{event['event_id']}')")
    days = counted_events.keep(harness.side, counted_events.today(), 7 * 86400)
    assert ancient not in days
    harness.handler._days = days
    outcomes = harness.count(harness.batch([harness.value(event)]))
    assert sum(t.stored for t in outcomes[("event_purchase", 0)]) == 0
    assert conn.execute("SELECT count(*) FROM etld.summary_purchase").fetchone() == (0,)


def test_a_late_event_updates_its_bucket(conn: Connection, tmp_path: Path) -> None:
    """The bucket is of event time, not of counting time."""
    harness = AggregatorHarness(conn, tmp_path)
    harness.fill()
    for i, at in enumerate((T0, T0 + dt.timedelta(hours=2), T0 + dt.timedelta(minutes=3))):
        harness.count(harness.batch([harness.value(purchase(str(uuid.uuid4()), 2.5, at))], i))
    rows = conn.execute("SELECT events FROM etld.summary_purchase ORDER BY bucket_start").fetchall()
    assert rows == [(2,), (1,)]


def test_what_the_processor_dead_letters_is_not_counted(conn: Connection, tmp_path: Path) -> None:
    """Undecodable bytes, a tombstone, a number that is not finite, a name with NUL."""
    harness = AggregatorHarness(conn, tmp_path)
    harness.fill()
    good = harness.value(purchase(str(uuid.uuid4()), 1.0, T0))
    bad = [
        b"{}",
        None,
        harness.value(purchase(str(uuid.uuid4()), float("inf"), T0)),
        harness.value(purchase(str(uuid.uuid4()), 1.0, T0, "a\0b")),
        harness.value(purchase("no uuid", 1.0, T0)),
    ]
    outcomes = harness.count(harness.batch([bad[0], good, *bad[1:]]))
    assert outcomes[("event_purchase", 0)] == [RecordCounts(stored=1, dead=5)]


def test_two_aggregators_with_different_summaries_do_not_mix(conn: Connection, tmp_path: Path) -> None:
    """The one that started first stands still instead of leaving events out of the new table."""
    old = AggregatorHarness(conn, tmp_path)
    changed = config(tmp_path, **{'bucket = "1 h"': 'bucket = "1 d"'})
    AggregatorHarness(conn, tmp_path, changed)
    with pytest.raises(tables.DefinitionsChanged, match="etld restart aggregator"):
        old.count(old.batch([old.value(purchase(str(uuid.uuid4()), 1.0, T0))]))


def test_a_difference_is_named(conn: Connection, tmp_path: Path) -> None:
    """With its bucket, group and both values."""
    harness = AggregatorHarness(conn, tmp_path)
    harness.fill()
    event = purchase(str(uuid.uuid4()), 4.5, T0)
    harness.store(event)
    harness.count(harness.batch([harness.value(event)]))
    assert harness.compare() == []
    conn.execute("UPDATE etld.summary_purchase SET events = 5")
    (text,) = harness.compare()
    assert "event_name added_to_cart: events is 5, recomputed 1" in text
