"""Whatever a role or a database has set for its sessions, etld reads and writes the same."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable

import psycopg
import pytest

from etld.postgres.connections import connect
from support.cluster import Cluster
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import event, purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

ODD = {
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "extra_float_digits": "-10",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "search_path": "elsewhere",
    "client_encoding": "LATIN1",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "row_security": "on",
    "exit_on_error": "on",
    "statement_timeout": "1ms",
    "lock_timeout": "1ms",
    "transaction_timeout": "40ms",
    "idle_in_transaction_session_timeout": "1ms",
    "idle_session_timeout": "300ms",
    "synchronous_commit": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "on",
    "jit_above_cost": "0",
    "enable_seqscan": "off",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
    "lc_numeric": "C",
    "default_toast_compression": "pglz",
    "escape_string_warning": "on",
    "backslash_quote": "off",
    "constraint_exclusion": "off",
    "check_function_bodies": "off",
    "client_min_messages": "debug1",
    "xmloption": "document",
    "session_replication_role": "origin",
}


def test_a_session_is_as_etld_wants_it(database: str) -> None:
    """Times, bytes, floats and arrays are read as they were written."""
    with psycopg.connect(database, autocommit=True) as conn:
        name = conn.info.dbname
        for key, value in ODD.items():
            conn.execute(f'ALTER DATABASE "{name}" SET {key} TO {_written(key, value)}'.encode())
    with connect(database, application_name="test") as conn:
        row = conn.execute(
            r"SELECT %s::timestamptz, interval '1 day 2 hours', 1.1::float8::text, '\x00ff'::bytea::text, 'a\b',"
            " %s::text[], now()::text, current_setting('statement_timeout'), pg_sleep(0.1)::text",
            (dt.datetime(2026, 2, 1, 12, tzinfo=dt.UTC), ["a", None]),
        ).fetchone()
        assert row is not None
        assert row[0] == dt.datetime(2026, 2, 1, 12, tzinfo=dt.UTC)
        assert row[1:6] == (dt.timedelta(days=1, hours=2), "1.1", r"\x00ff", r"a\b", ["a", None])
        assert (row[6][:2], row[7]) == ("20", "30s")


def test_what_the_embedded_server_is_asked_while_it_starts(cluster: Cluster) -> None:
    """No role and no database has a say in it."""
    asked = "SELECT DISTINCT source FROM pg_settings WHERE name IN ('statement_timeout', 'transaction_timeout')"
    assert cluster.postgres_server.psql(asked) == "client"


def _written(key: str, value: str) -> str:
    return value if key in ("DateStyle", "search_path") else f"'{value}'"


@pytest.mark.parametrize("scope", ["role", "database"])
def test_the_whole_way_on_an_odd_server(make_daemon: Callable[[], Daemon], scope: str) -> None:
    """Rows, a dead letter that is repaired and one that is parked, summaries, reconcile: with every setting changed."""
    made = make_daemon()
    with made.running():
        etld = EtldClient(made)
        user, name = etld.sql("SELECT current_user, current_database()")[0]
        etld.sql("CREATE SCHEMA elsewhere")
        whose = f'ROLE "{user}"' if scope == "role" else f'DATABASE "{name}"'
        with psycopg.connect(etld.dsn, autocommit=True) as conn:  # one: a new one would feel those that are set by now
            for key, value in ODD.items():
                conn.execute(f"ALTER {whose} SET {key} TO {_written(key, value)}".encode())
        made.stop()
        made.start()
        # A connection of the test's own must not feel the settings.
        etld = EtldClient(made)
        etld.dsn += "&options=" + "".join(f"-c%20{k}%3D{v}%20" for k, v in _SANE.items())
        price = 0.1 + 0.2
        good = [
            {**purchase(price=price, item_name="žluťoučký \\ 'kůň'"), "event_id": str(uuid.uuid4())} for _ in range(30)
        ]
        good += [{**event(kind), "event_id": str(uuid.uuid4())} for kind in ("order", "delivery") for _ in range(10)]
        repaired = {**purchase(price="12.5"), "event_id": str(uuid.uuid4())}
        parked = {**purchase(price="dear"), "event_id": str(uuid.uuid4())}
        etld.send([*good, good[0], repaired, parked])
        etld.letter(parked["event_id"], "parked")
        etld.letter(repaired["event_id"], "resolved")
        wait_until(lambda: etld.sql("SELECT count(*) FROM public.processed_events") == [(51,)], 60, "51 rows")
        assert etld.price(good[0]["event_id"]) == price
        told = made.json("reconcile", "--wait", "60")
        assert (told["ok"], told["table_rows"]) == (True, 51)
        assert made.json("trace", good[0]["event_id"])["stored"]
        assert "parked" in made.cli("dlq", "list").stdout
        assert made.cli("charts").returncode == 0
        assert made.status()["state"] == "ready"


_SANE = {
    "statement_timeout": 0,
    "lock_timeout": 0,
    "transaction_timeout": 0,
    "idle_session_timeout": 0,
    "datestyle": "ISO",
    "search_path": "public",
    "client_encoding": "UTF8",
    "exit_on_error": "off",
    "extra_float_digits": 1,
    "client_min_messages": "warning",
}
