"""One summary whose table cannot be made keeps none of the others back, and says why."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path
from typing import Any

import pytest

from etld.errors import EtldError
from etld.postgres.connections import Connection, connect
from etld.postgres.migrate import migrate
from etld.summaries import tables
from support.aggregator_harness import GROUP, AggregatorHarness, config, purchase

pytestmark = pytest.mark.integration

T0 = dt.datetime(2026, 5, 4, 10, 30, tzinfo=dt.UTC)
PROCESSOR = "etld-processor-purchase"
MEASURES = 'events = "count", revenue = { sum = "event_details.price" }'
#: Other columns, so that the table has to be another; and one more.
RENAMED = {MEASURES: MEASURES.replace("revenue", "turnover"), 'value = "revenue"': 'value = "turnover"'}
MORE = {MEASURES: f'{MEASURES}, largest = {{ max = "event_details.price" }}, items = "count"'}


def _changed(conn: Connection, directory: Path, changes: dict[str, str]) -> AggregatorHarness:
    return AggregatorHarness(conn, directory, config(directory, **{'bucket = "1 h"': 'bucket = "1 d"'}, **changes))


def _count(harness: AggregatorHarness, count: int, offset: int) -> None:
    """So many purchases, stored and counted, from this offset on."""
    events = [purchase(str(uuid.uuid4()), i / 100, T0 + dt.timedelta(minutes=i)) for i in range(count)]
    for i, event in enumerate(events, offset):
        harness.store(event, i)
    harness.count(harness.batch([harness.value(event) for event in events], offset))
    harness.position(GROUP, offset + count)
    harness.position(PROCESSOR, offset + count)


def _looks(conn: Connection) -> Any:
    """Who may read the table, its indexes, its comments and its columns'."""
    return conn.execute(
        "SELECT relacl, (SELECT array_agg(indexrelid ORDER BY 1) FROM pg_index WHERE indrelid = c.oid),"
        " (SELECT array_agg(d.description ORDER BY d.objsubid) FROM pg_description d WHERE d.objoid = c.oid)"
        " FROM pg_class c WHERE oid = 'etld.summary_purchase'::regclass"
    ).fetchall()


def _buckets(conn: Connection, table: str) -> Any:
    return conn.execute(f"SELECT count(DISTINCT bucket_start) FROM etld.{table}".encode()).fetchall()[0][0]


def test_a_view_holds_back_its_own_summary_only(conn: Connection, tmp_path: Path) -> None:
    """The others are made anew and count; the one follows when the view is gone, and misses nothing."""
    old = AggregatorHarness(conn, tmp_path)
    old.fill()
    _count(old, 5, 0)
    conn.execute("CREATE VIEW public.mine AS SELECT revenue FROM etld.summary_purchase")
    new = _changed(conn, tmp_path, RENAMED)
    fault = new.worker.metrics.faults["summaries"]
    assert "summary purchase is not kept up to date" in fault
    assert "view mine depends on table etld.summary_purchase" in fault
    assert [one.name for one in new.handler._tables.ready()] == ["order", "delivery"]
    assert set(tables.waiting(conn)) == {"order", "delivery"}
    _count(new, 3, 5)
    new.retry()
    assert "summaries" in new.worker.metrics.faults
    conn.execute("DROP VIEW public.mine")
    new.retry()
    assert "summaries" not in new.worker.metrics.faults
    _count(new, 2, 8)
    assert new.fill() == [True, True, True]
    assert new.compare() == []
    assert conn.execute("SELECT sum(events) FROM etld.summary_purchase").fetchone() == (10,)


@pytest.mark.parametrize(
    "theirs", ["TABLE etld.summary_purchase AS SELECT 7 AS kept", "VIEW etld.summary_purchase AS SELECT 7 AS kept"]
)
def test_what_etld_did_not_make_stays(conn: Connection, tmp_path: Path, theirs: str) -> None:
    """A table of this name that is somebody else's keeps its rows, and holds back its summary until it is renamed."""
    migrate(conn)
    conn.execute(f"CREATE {theirs}".encode())
    new = AggregatorHarness(conn, tmp_path)
    assert "etld.summary_purchase is there, and etld did not make it" in new.worker.metrics.faults["summaries"]
    assert [one.name for one in new.handler._tables.ready()] == ["order", "delivery"]
    _count(new, 2, 0)
    assert conn.execute("SELECT kept FROM etld.summary_purchase").fetchall() == [(7,)]
    conn.execute(f"ALTER {theirs.split(maxsplit=1)[0]} etld.summary_purchase RENAME TO mine".encode())
    new.retry()
    assert "summaries" not in new.worker.metrics.faults
    assert new.fill() == [True, True, True]
    assert conn.execute("SELECT sum(events) FROM etld.summary_purchase").fetchone() == (2,)
    assert conn.execute("SELECT kept FROM etld.mine").fetchall() == [(7,)]


def test_a_lock_is_waited_for_a_second_and_its_holder_named(conn: Connection, database: str, tmp_path: Path) -> None:
    """Rather than keeping the stream and everybody who reads the table waiting."""
    AggregatorHarness(conn, tmp_path).fill()
    with connect(database, application_name="a long report") as reader, reader.transaction():
        reader.execute("SELECT count(*) FROM etld.summary_purchase")
        new = _changed(conn, tmp_path, RENAMED)
        fault = new.worker.metrics.faults["summaries"]
        pid = reader.info.backend_pid
        assert f"etld.summary_purchase is locked by a long report (pid {pid}, user etld, in its transaction" in fault
        assert "SELECT count(*) FROM etld.summary_purchase)" in fault
        assert [one.name for one in new.handler._tables.ready()] == ["order", "delivery"]
    new.retry()
    assert new.worker.metrics.faults == {}
    assert new.fill() == [True, True, True]


def test_another_aggregator_makes_what_one_holds_back(conn: Connection, tmp_path: Path) -> None:
    """The one counts it from then on."""
    AggregatorHarness(conn, tmp_path).fill()
    conn.execute("CREATE VIEW public.mine AS SELECT revenue FROM etld.summary_purchase")
    one, other = _changed(conn, tmp_path, RENAMED), _changed(conn, tmp_path, RENAMED)
    conn.execute("DROP VIEW public.mine")
    other.retry()
    _count(one, 4, 0)
    assert conn.execute("SELECT sum(events) FROM etld.summary_purchase").fetchone() == (4,)
    one.retry()
    assert one.worker.metrics.faults == {}
    assert conn.execute("SELECT sum(events) FROM etld.summary_purchase").fetchone() == (4,)


def test_a_table_that_only_gains_measures_stays(conn: Connection, tmp_path: Path) -> None:
    """With all that others made of it, and filled anew with the new columns."""
    old = AggregatorHarness(conn, tmp_path)
    old.fill()
    _count(old, 7, 0)
    conn.execute("CREATE VIEW public.mine AS SELECT revenue FROM etld.summary_purchase")
    conn.execute("CREATE INDEX mine_index ON etld.summary_purchase (event_name)")
    conn.execute("COMMENT ON COLUMN etld.summary_purchase.revenue IS 'of finance'")
    conn.execute("GRANT SELECT ON etld.summary_purchase TO pg_monitor")
    kept = conn.execute("SELECT oid, relacl FROM pg_class WHERE oid = 'etld.summary_purchase'::regclass").fetchone()
    new = _changed(conn, tmp_path, MORE)
    assert new.worker.metrics.faults == {}
    _count(new, 2, 7)
    assert new.fill() == [True, True, True]
    assert new.compare() == []
    assert _buckets(conn, "summary_purchase") == 1
    assert conn.execute("SELECT sum(items), max(largest) FROM etld.summary_purchase").fetchone() == (9, 0.06)
    now = conn.execute("SELECT oid, relacl FROM pg_class WHERE oid = 'etld.summary_purchase'::regclass").fetchone()
    assert now == kept
    assert conn.execute("SELECT to_regclass('etld.mine_index') IS NOT NULL").fetchone() == (True,)
    assert conn.execute("SELECT count(*) FROM public.mine").fetchone() == (1,)
    comment = (
        "SELECT col_description('etld.summary_purchase'::regclass, attnum) FROM pg_attribute WHERE attname = 'revenue'"
    )
    assert ("of finance",) in conn.execute(comment.encode()).fetchall()


def test_a_summary_is_rebuilt_while_the_stream_goes_on(conn: Connection, tmp_path: Path) -> None:
    """What somebody changed in it is right again; one that is not made as configured is left alone."""
    harness = AggregatorHarness(conn, tmp_path)
    harness.fill()
    _count(harness, 6, 0)
    conn.execute("UPDATE etld.summary_purchase SET events = 99")
    assert harness.compare() != []
    conn.execute("CREATE INDEX mine_index ON etld.summary_purchase (event_name)")
    conn.execute("GRANT SELECT ON etld.summary_purchase TO pg_monitor")
    kept = _looks(conn)
    tables.rebuild(conn, harness.stream, harness.summaries[0])
    assert _looks(conn) == kept
    _count(harness, 3, 6)
    assert harness.fill() == [True, None, None]
    assert harness.compare() == []
    conn.execute("UPDATE etld.summary SET definition = '{}' WHERE name = 'purchase'")
    with pytest.raises(EtldError, match="is not made as the configuration says"):
        tables.rebuild(conn, harness.stream, harness.summaries[0])


def test_a_table_that_is_made_anew_has_its_grants_again(conn: Connection, tmp_path: Path) -> None:
    """And says what it holds."""
    AggregatorHarness(conn, tmp_path).fill()
    conn.execute("GRANT SELECT ON etld.summary_purchase TO pg_monitor WITH GRANT OPTION")
    conn.execute("GRANT SELECT (events), SELECT (revenue) ON etld.summary_purchase TO pg_read_all_stats")
    before, _, comments = _looks(conn)[0]
    assert comments == [
        "Running summary of purchase events, by buckets of 1 h.",
        "Where the bucket of 1 h begins, by triggered_at and the clock of UTC.",
        "event_name of the events; NULL: they have none.",
        "How many events.",
        "The sum of event_details.price.",
        "The sum of event_details.price.",
        "How many events have event_details.price.",
        "The average event_details.price. Over several rows: sum(average_price_sum) / sum(average_price_count).",
    ]
    new = _changed(conn, tmp_path, RENAMED)
    assert new.worker.metrics.faults == {}
    after, _, comments = _looks(conn)[0]
    assert after == before
    assert "Running summary of purchase events, by buckets of 1 d." in comments
    columns = conn.execute(
        "SELECT column_name::text FROM information_schema.column_privileges"
        " WHERE table_name = 'summary_purchase' AND grantee = 'pg_read_all_stats'"
    )
    assert columns.fetchall() == [("events",)]
