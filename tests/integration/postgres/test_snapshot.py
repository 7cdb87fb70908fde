"""A snapshot sees one moment."""

from __future__ import annotations

import psycopg
import pytest

from etld.postgres.connections import connect
from etld.postgres.snapshot import snapshot

pytestmark = pytest.mark.integration


def test_what_others_commit_meanwhile_is_not_seen(database: str) -> None:
    """From its first query on; after it the world is as it is."""
    with connect(database, application_name="etld test") as conn, connect(database, application_name="other") as other:
        other.execute("CREATE TABLE seen (n integer)")
        with snapshot(conn):
            assert conn.execute("SELECT count(*) FROM seen").fetchone() == (0,)
            other.execute("INSERT INTO seen VALUES (1)")
            assert conn.execute("SELECT count(*) FROM seen").fetchone() == (0,)
        assert conn.execute("SELECT count(*) FROM seen").fetchone() == (1,)


def test_nothing_is_written_in_it(database: str) -> None:
    """Reading is all it is for."""
    with connect(database, application_name="etld test") as conn:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), snapshot(conn):
            conn.execute("CREATE TABLE t (n integer)")
        conn.execute("CREATE TABLE t (n integer)")
