"""The unmodified libraries of Segment and RudderStack against a daemon: nothing is lost that they think delivered."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from etld.ingest.segment import event_id_of
from support.daemon import Daemon
from support.waiting import wait_until

HERE = Path(__file__).parent
COUNT = 60
PYTHON = ["segment.analytics", "rudderstack.analytics"]
NODE = ["@segment/analytics-node", "@rudderstack/rudder-sdk-node"]


@pytest.fixture(scope="module")
def shop(make_daemon: Callable[[], Daemon]) -> Iterator[Daemon]:
    """A daemon that takes no event as large as these libraries send."""
    made = make_daemon()
    made.configure({"ingest.max_event": "24 KiB"})
    with made.running():
        yield made


@pytest.fixture(scope="session")
def packages() -> Path:
    """A cache directory with both packages of npm."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs node and npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "etld" / "test-npm"
    cache.mkdir(parents=True, exist_ok=True)
    if not all((cache / "node_modules" / name).exists() for name in NODE):
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(cache), *NODE]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip(f"npm cannot install them: {done.stderr[-300:]}")
    return cache


def kept(daemon: Daemon, ids: list[str]) -> set[str]:
    """Which of these ids are rows or dead letters."""
    with psycopg.connect(daemon.dsn) as connection:
        found = connection.execute(
            "SELECT event_id::text FROM processed_events WHERE event_id::text = ANY(%s)"
            " UNION SELECT event_id::text FROM etld.dead_letter WHERE event_id::text = ANY(%s)",
            (ids, ids),
        ).fetchall()
    return {own for (own,) in found}


def check(daemon: Daemon, name: str, command: list[str], directory: Path, env: dict[str, str]) -> None:
    """Run the application, restart the broker in the middle of it, and look for everything it sent."""
    address = f"http://127.0.0.1:{daemon.settings()['ingest']['port']}"
    with subprocess.Popen(
        [*command, name, address, str(directory), str(COUNT)], stdout=subprocess.PIPE, text=True, env=env
    ) as application:
        wait_until(directory.joinpath("half").exists, 30)
        (broker,) = [worker["name"] for worker in daemon.status()["workers"] if worker["kind"] == "embedded-kafka"]
        daemon.cli("restart", broker)
        directory.joinpath("go").touch()
        out, _ = application.communicate(timeout=150)
    result = json.loads(out.splitlines()[-1])
    # The whole batch of the one that is too large is given up, though its neighbours are kept.
    failed = set(result["failed"])
    assert f"{name}-huge" in failed <= {f"{name}-{own}" for own in ("huge", "before", "after")}
    assert all("413" in one or "too large" in one.lower() for one in result["told"]), result["told"]
    assert kept(daemon, [event_id_of(f"{name}-huge")]) == set()
    names = [f"{name}-{number}" for number in (*range(COUNT), "large", "bad", "before", "after")]
    ids = {event_id_of(own): own for own in names}

    def missing() -> list[str]:
        there = kept(daemon, list(ids))
        return [own for event_id, own in ids.items() if event_id not in there]

    try:
        wait_until(lambda: not missing(), 120)
    except AssertionError as error:
        raise AssertionError(f"{missing()} are not there: {daemon.status()['faults']}\n{daemon.logs()}") from error


@pytest.mark.parametrize("name", PYTHON)
def test_python(shop: Daemon, tmp_path: Path, name: str) -> None:
    check(shop, name, [sys.executable, str(HERE / "python_library.py")], tmp_path, dict(os.environ))


@pytest.mark.parametrize("name", NODE)
def test_node(shop: Daemon, tmp_path: Path, packages: Path, name: str) -> None:
    env = {**os.environ, "NODE_PATH": str(packages / "node_modules")}
    check(shop, name, ["node", str(HERE / "node_library.js")], tmp_path, env)
