"""The way to PostgreSQL: refused for good, or nothing comes through and no connection ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from etld.postgres.connections import connect
from etld.postgres.errors import OperationalError, classify
from faults.scenarios.database import consumers
from faults.system import System
from support.etld_client import EtldClient
from support.events import purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

# Seconds, twice what a worker may be silent before it counts as hung.
LASTS = 20.0


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """A daemon whose PostgreSQL is behind the proxy."""
    made = System()
    try:
        made.start()
        yield made
    finally:
        made.stop()


def test_a_database_that_is_gone_is_for_a_person(system: System) -> None:
    """Not called away or busy, which is over by itself; and when it is back, all goes on."""
    url = psycopg.conninfo.conninfo_to_dict(system.dsn)
    elsewhere = psycopg.conninfo.make_conninfo(**{**url, "dbname": "postgres"})
    name = url["dbname"]
    with psycopg.connect(elsewhere, autocommit=True) as conn:
        conn.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        wait_until(lambda: not _backends(conn, name), 20, "nobody is connected")
        conn.execute(f'ALTER DATABASE "{name}" RENAME TO elsewhere')
        try:
            told = "lets nobody in, and a person has to look"
            wait_until(lambda: told in system.daemon.cli("health", check=False).stdout, 30)
            assert "does not exist" in system.daemon.cli("health", check=False).stdout
        finally:
            conn.execute(f'ALTER DATABASE elsewhere RENAME TO "{name}"')
            conn.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    wait_until(lambda: system.daemon.cli("health", check=False).returncode == 0, 60)


def _backends(conn: psycopg.Connection[Any], name: Any) -> list[Any]:
    return conn.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", (name,)).fetchall()


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"dbname": "nope"}, "stop"),
        ({"user": "nobody"}, "stop"),
        ({"password": "wrong"}, "stop"),
        ({"port": 1}, "retry"),
    ],
    ids=["database", "user", "password", "port"],
)
def test_a_connection_that_is_refused_for_good(database: str, changes: dict[str, Any], verdict: str) -> None:
    """What waiting does not mend is told from what it does."""
    there = psycopg.conninfo.conninfo_to_dict(database)
    if "password" in changes or "user" in changes:
        del there["passfile"]
    with pytest.raises(OperationalError) as caught:
        connect(psycopg.conninfo.make_conninfo(**{**there, **changes}), application_name="test")
    assert classify(caught.value) == verdict


def test_no_worker_is_taken_for_hung(system: System) -> None:
    """Idle ones, one with a batch and one that asks for a schema alike wait it out, and then go on."""
    sender = EtldClient(system.daemon)
    sender.send([purchase() for _ in range(50)])
    stored = "SELECT count(*) FROM processed_events"
    wait_until(lambda: system.sql(stored) == [(50,)], 60)
    before, mark = consumers(system), system.log_end()
    system.proxy.blackhole = True
    began = time.monotonic()
    sender.send([purchase() for _ in range(50)])
    sender.produce("of a schema that nobody knows", b"\0" + (99_999).to_bytes(4) + b"x")
    wait_until(lambda: system.proxy.held, LASTS, "something is held back")
    wait_until(lambda: time.monotonic() >= began + LASTS, LASTS + 5)
    system.proxy.heal()
    wait_until(lambda: system.sql(stored) == [(100,)], 60)
    wait_until(lambda: system.sql("SELECT error_class FROM etld.dead_letter") == [("UnknownSchemaId",)], 60)
    assert consumers(system) == before
    assert not system.said("hung", "Fatal Python error", since=mark)
