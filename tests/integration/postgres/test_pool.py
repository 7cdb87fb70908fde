"""A pool gives connections like those of `connect`, a bounded number of them, and says why when it has none."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from etld.postgres.connections import connect
from etld.postgres.errors import OperationalError, classify
from etld.postgres.pool import Pool

pytestmark = pytest.mark.integration


@pytest.fixture
def pool(database: str) -> Iterator[Pool]:
    """Two connections at most; who gets none waits a second."""
    with Pool(database, size=2, patience=1.0, application_name="etld test pool", statement_timeout=7.0) as made:
        yield made


def _backends(database: str) -> int:
    with connect(database, application_name="etld test") as conn:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'etld test pool'"
        row = conn.execute(query).fetchone()
        assert row is not None
        return int(row[0])


def test_it_opens_on_first_use_and_closes(database: str) -> None:
    """No connection is made for a pool that nobody asks."""
    with Pool(database, application_name="etld test pool") as pool:
        assert _backends(database) == 0
        with pool.connection() as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
            assert _backends(database) == 1
    deadline = time.monotonic() + 5
    while _backends(database) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _backends(database) == 0


def test_its_connections_have_the_settings_of_all(pool: Pool) -> None:
    """Time-outs, time zone, autocommit, the fast lists."""
    with pool.connection() as conn:
        assert conn.autocommit
        assert conn.execute("SHOW statement_timeout").fetchone() == ("7s",)
        assert conn.execute("SHOW timezone").fetchone() == ("UTC",)
        assert conn.execute("SELECT %s::text[]", [["a", None, '"']]).fetchone() == (["a", None, '"'],)
        assert conn.answer_within == 12.0  # type: ignore[attr-defined]


def test_a_connection_is_used_again(pool: Pool) -> None:
    """Rather than made anew; what an error left open in it is rolled back."""
    with pool.connection() as conn:
        first = conn.info.backend_pid
    with pytest.raises(psycopg.errors.UndefinedTable), pool.connection() as conn, conn.transaction():
        conn.execute("SELECT * FROM nowhere")
    with pool.connection() as conn:
        assert conn.info.backend_pid == first


def test_no_more_than_its_size(pool: Pool) -> None:
    """The third waits, and is told so; when one comes back in time, it is served."""
    with pool.connection(), pool.connection() as second:
        with pytest.raises(OperationalError, match=r"none of the 2 connections .* was free within 1 s"):
            pool.connection().__enter__()
        served: list[Any] = []

        def wait() -> None:
            with pool.connection() as conn:
                served.append(conn.info.backend_pid)

        waiter = threading.Thread(target=wait)
        waiter.start()
        pid = second.info.backend_pid
        time.sleep(0.3)
        assert served == []
    waiter.join(5)
    assert len(served) == 1
    assert pid > 0


def test_a_broken_connection_is_replaced(pool: Pool, database: str) -> None:
    """As after a restart of the server."""
    with pool.connection() as conn:
        first = conn.info.backend_pid
    with connect(database, application_name="etld test") as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (first,))
    with pool.connection() as conn:
        assert conn.info.backend_pid != first


@pytest.mark.parametrize(("changes", "verdict"), [({"dbname": "nope"}, "stop"), ({"port": 1}, "retry")])
def test_no_server_is_said_at_once(database: str, changes: dict[str, Any], verdict: str) -> None:
    """With the server's own words and what they mean, and again for everyone who asks."""
    there = psycopg.conninfo.conninfo_to_dict(database)
    dsn = psycopg.conninfo.make_conninfo(**{**there, **changes})
    with Pool(dsn, application_name="test", patience=30.0) as pool:
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(OperationalError) as caught, pool.connection():
                pass
            assert classify(caught.value) == verdict
            assert time.monotonic() - began < 5
