"""`etld psql`: the database at hand, with a psql and without."""

from __future__ import annotations

import pytest

from support.daemon import Daemon

pytestmark = pytest.mark.integration


def test_sql_runs(daemon: Daemon) -> None:
    """By psql with what is meant for it, and by the prompt of our own, which prints tables and says what is wrong."""
    assert daemon.cli("psql", "-At", "-c", "SELECT 1 + 1").stdout == "2\n"
    done = daemon.cli("psql", "--builtin", "-c", "SELECT 12345 AS many, NULL AS none", "-c", "SELECT 1 WHERE false")
    assert done.stdout.split() == ["many", "none", "12,345", "NULL", "(1", "row)", "(0", "rows)"]
    done = daemon.cli("psql", "--builtin", "-c", "SELECT nonsense", check=False)
    assert done.returncode == 1
    assert 'column "nonsense" does not exist' in done.stderr
    done = daemon.cli("psql", "--builtin", "-c", "SELECT 1", "-x", check=False)
    assert done.returncode == 2
    assert "postgresql-client" in done.stderr
