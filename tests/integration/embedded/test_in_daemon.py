"""A whole daemon whose embedded parts are killed."""

from __future__ import annotations

import os
import signal
import time

import psycopg
import pytest

from support.daemon import Daemon
from support.processes import alive, children
from support.waiting import wait_until

pytestmark = pytest.mark.integration


def stored(daemon: Daemon) -> int:
    """Rows in processed_events; -1 while the database is away."""
    try:
        with psycopg.connect(daemon.dsn, connect_timeout=3) as connection:
            return int(connection.execute("SELECT count(*) FROM processed_events").fetchall()[0][0])
    except psycopg.OperationalError:
        return -1


def descendants(pid: int) -> list[int]:
    """All processes below one."""
    return [found for child in children(pid) for found in (child, *descendants(child))]


def test_killed_parts_come_back(daemon: Daemon) -> None:
    """Kill -9 of the database's and of the broker's worker: both are back, and every event is stored once."""
    daemon.cli("generate", "--count", "300")
    for name in ("embedded-postgres", "embedded-kafka"):
        before = daemon.worker(name)
        os.kill(before["pid"], signal.SIGKILL)

        def back(name: str = name, before: dict[str, object] = before) -> bool:
            now = daemon.worker(name)
            return now["state"] == "running" and now["pid"] != before["pid"]

        wait_until(back, 60, f"{name} is back")
        daemon.cli("generate", "--count", "300")
    wait_until(lambda: stored(daemon) == 900, 40, "900 rows")
    wait_until(lambda: daemon.cli("health", check=False).returncode == 0, 60, "health is 0 again")
    report = daemon.json("reconcile", "--wait", "20")
    assert report["ok"], report["differences"]


def test_a_killed_supervisor_leaves_nothing(daemon: Daemon) -> None:
    """Kill -9 of the supervisor: no process stays, the next start works and still has the rows."""
    daemon.cli("generate", "--count", "60")
    wait_until(lambda: stored(daemon) == 60, 20, "60 rows")
    supervisor = daemon.status()["pid"]
    below = descendants(supervisor)
    assert len(below) >= 9
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: not any(map(alive, below)), 20, "everything below the supervisor ends")
    began = time.monotonic()
    daemon.start()
    assert time.monotonic() - began < 60
    assert stored(daemon) == 60
    daemon.cli("generate", "--count", "60")
    wait_until(lambda: stored(daemon) == 120, 20, "120 rows")
    assert daemon.json("reconcile", "--wait", "20")["ok"]
