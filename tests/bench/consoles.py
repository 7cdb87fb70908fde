"""What open consoles cost live traffic."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.environment import Environment, cpu_seconds, open_database
from bench.replay import LiveEvents, rate_of
from bench.result import Result
from etld.util.ports import free_port

HERE = Path(__file__).parent


@contextlib.contextmanager
def _watched(base: str, count: int, seen: dict[str, int]) -> Iterator[None]:
    """So many people at the console meanwhile; what they saw is added up in `seen`."""
    people = subprocess.Popen(
        [sys.executable, str(HERE / "watching.py"), base, str(count)], stdout=subprocess.PIPE, text=True
    )
    assert people.stdout is not None
    try:
        if not people.stdout.readline():
            raise RuntimeError("nobody could open the console")
        yield
    finally:
        people.terminate()
        told = json.loads(people.stdout.readline() or "{}")
        people.wait(60)
        for what, number in told.items():
            seen[what] = seen.get(what, 0) + number


def consoles(environment: Environment, name: str) -> Result:
    """Events a second from HTTP to the table while consoles are open; reference: the same alone.

    Each has a page open that changes by itself, and loads another every five seconds.
    """
    count = int(name.rpartition("-")[2])
    events = 20_000 if environment.quick else 300_000
    database = environment.database()
    port = free_port()
    roles = {"ingest.workers": 1, "event_types.purchase.workers": 1, "aggregator.workers": 1, "corrector.workers": 1}
    result = Result(name, "events/s", [], [], "the same with no console open")
    seen: dict[str, int] = {}
    config = environment.config(database, **roles, **{"console.port": port})

    with environment.daemon(config) as daemon, open_database(database) as conn:

        def stored() -> int:
            row = conn.execute("SELECT count(*) FROM processed_events").fetchone()
            return int(row[0]) if row else 0

        def live() -> float:
            conn.execute("TRUNCATE processed_events")
            return rate_of(daemon, LiveEvents(events, lambda: False), stored)

        def watched() -> float:
            with _watched(f"http://127.0.0.1:{port}", count, seen):
                return live()

        live()
        pid = daemon.workers()["console"]["pid"]
        shares: list[float] = []
        for _ in range(environment.pairs):
            result.reference.append(live())
            used, began = cpu_seconds([pid]), time.monotonic()
            result.values.append(watched())
            shares.append((cpu_seconds([pid]) - used) / (time.monotonic() - began))
    if seen["failures"] or not seen["changes"]:
        raise RuntimeError(f"the consoles did not show what happens: {seen}")
    extra: dict[str, Any] = {"console_cores": round(sorted(shares)[len(shares) // 2], 3), **seen}
    result.extra |= extra
    return result


BENCHES = {"console-10": consoles}
