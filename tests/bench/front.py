"""Ingest against a bare handler and a bare loop, and from the answer to the row."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.client import drive, request
from bench.environment import Environment, cpu_seconds, event, open_database, peak_mb
from bench.result import Result
from etld.kafka.admin import Admin
from etld.util.ports import free_port
from support.waiting import wait_until

HERE = Path(__file__).parent
IN_BATCH = 500
KEY = "bench-write-key"


def _plain(index: int) -> dict[str, Any]:
    """An event as a client sends it, without an id."""
    made = event(index)
    del made["event_id"]
    made["triggered_at"] = "2026-01-02T03:04:05.678Z"
    return made


def _guarded(environment: Environment) -> Path:
    """The configuration of an ingest that asks for a write key and counts by key and by address."""
    keys = environment.directory / "keys.toml"
    keys.write_text(f'[bench]\nsha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}"\nrate = 1000000000\n')
    keys.chmod(0o600)
    limits = {"ingest.rate_per_key": 1_000_000_000, "ingest.rate_per_address": 1_000_000_000}
    return environment.config(environment.database(), **{"ingest.workers": 1, "ingest.keys_file": str(keys), **limits})


@contextlib.contextmanager
def _bare() -> Iterator[tuple[str, int]]:
    port = free_port()
    child = subprocess.Popen([sys.executable, str(HERE / "bare.py"), "handler", str(port)])

    def listens() -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(listens, 20, "the bare handler listens")
        yield "127.0.0.1", port
    finally:
        child.terminate()
        child.wait()


def single(environment: Environment, name: str) -> Result:
    """Single POSTs on 64 connections, answered after Kafka's acknowledgement."""
    count = 2_000 if environment.quick else 60_000
    pool = [request("/track", json.dumps(_plain(i)).encode(), key=KEY) for i in range(1000)]
    result = Result(name, "requests/s", [], [], "bare aiohttp handler")
    costs, peaks, slow = [], [], []
    with environment.daemon(_guarded(environment)) as daemon, _bare() as bare:
        pids = [daemon.workers()["ingest-0"]["pid"]]
        for address in (bare, daemon.http):
            drive(address, itertools.islice(itertools.cycle(pool), 2000), 64)
        for _ in range(environment.pairs):
            load = drive(bare, itertools.islice(itertools.cycle(pool), count), 64)
            result.reference.append(load.answers / load.seconds)
            cpu = cpu_seconds(pids)
            load = drive(daemon.http, itertools.islice(itertools.cycle(pool), count), 64)
            if load.failures:
                raise RuntimeError(f"{load.failures} of {load.answers} requests were not answered with 200")
            result.values.append(load.answers / load.seconds)
            costs.append((cpu_seconds(pids) - cpu) / load.answers * 1e6)
            slow.append(sorted(load.latencies)[int(len(load.latencies) * 0.99)] * 1000)
            peaks.append(peak_mb(pids))
    result.cpu_us = sorted(costs)[len(costs) // 2]
    result.peak_mb = max(peaks)
    result.extra["p99_ms"] = round(sorted(slow)[len(slow) // 2], 2)
    return result


def batches(environment: Environment, name: str) -> Result:
    """Batches of 500 as JSON or NDJSON."""
    form = name.rpartition("-")[2]
    count = 20 if environment.quick else 400
    events = [_plain(i) for i in range(IN_BATCH)]
    if form == "json":
        body, kind = json.dumps({"batch": events}).encode(), "application/json"
    else:
        body, kind = b"\n".join(json.dumps(one).encode() for one in events), "application/x-ndjson"
    made = request("/v1/batch", body, kind, KEY)
    file = environment.directory / f"{name}.json"
    file.write_text(json.dumps([body.decode()] * count))
    topic = f"bare-{uuid.uuid4().hex[:8]}"
    Admin({"bootstrap.servers": environment.bootstrap}).create_topic(topic, 3, 1, {})
    result = Result(name, "events/s", [], [], "bare loop without HTTP")
    costs, peaks = [], []
    with environment.daemon(_guarded(environment)) as daemon:
        pids = [daemon.workers()["ingest-0"]["pid"]]
        drive(daemon.http, itertools.repeat(made, 8), 4)
        for _ in range(environment.pairs):
            told = subprocess.run(
                [sys.executable, str(HERE / "bare.py"), "loop", environment.bootstrap, topic, str(file), form],
                capture_output=True,
                text=True,
                check=True,
            )
            result.reference.append(float(told.stdout))
            cpu = cpu_seconds(pids)
            load = drive(daemon.http, itertools.repeat(made, count), 4)
            if load.failures:
                raise RuntimeError(f"{load.failures} of {load.answers} batches were not answered with 200")
            result.values.append(load.answers * IN_BATCH / load.seconds)
            costs.append((cpu_seconds(pids) - cpu) / (load.answers * IN_BATCH) * 1e6)
            peaks.append(peak_mb(pids))
    result.cpu_us = sorted(costs)[len(costs) // 2]
    result.peak_mb = max(peaks)
    return result


def _watch(database: str, seen: dict[str, float], stop: threading.Event) -> None:
    """Note when each event's row is first visible, until `stop`."""
    # A row with a smaller id may become visible later: look back to the largest id of two seconds ago.
    largest: deque[tuple[float, int]] = deque([(0.0, 0)])
    with open_database(database) as conn:
        while not stop.is_set():
            now = time.monotonic()
            while len(largest) > 1 and largest[1][0] < now - 2:
                largest.popleft()
            rows = conn.execute(
                "SELECT id, event_id::text FROM processed_events WHERE id > %s ORDER BY id", (largest[0][1],)
            ).fetchall()
            now = time.monotonic()
            for _, event_id in rows:
                seen.setdefault(event_id, now)
            if rows:
                largest.append((now, rows[-1][0]))
            time.sleep(0.01)


def latency(environment: Environment, name: str) -> Result:
    """From the HTTP answer to the row that a reader sees, in ms; p50, p99 and max. At 1/s each event is alone."""
    rate = int(name.rpartition("-")[2])
    size = 1 if rate <= 5000 else 20
    seconds = 3 if environment.quick else 15
    database = environment.database()
    seen: dict[str, float] = {}
    answered: dict[str, float] = {}
    stop = threading.Event()

    workers = {f"event_types.{kind}.workers": 1 for kind in ("purchase", "order", "delivery")}
    changes = {"ingest.workers": 1, **workers}
    with environment.daemon(environment.config(database, **changes)) as daemon:
        ids: list[list[str]] = []

        def stream() -> Iterator[bytes]:
            for index in range(int(rate * seconds / size)):
                events = []
                for offset in range(size):
                    one = _plain(index * size + offset)
                    one["event_id"] = str(uuid.uuid4())
                    events.append(one)
                ids.append([one["event_id"] for one in events])
                if size == 1:
                    yield request("/track", json.dumps(events[0]).encode())
                else:
                    yield request("/v1/batch", json.dumps({"batch": events}).encode())

        def note(number: int, now: float) -> None:
            for event_id in ids[number]:
                answered[event_id] = now

        watcher = threading.Thread(target=_watch, args=(database, seen, stop))
        watcher.start()
        try:
            load = drive(daemon.http, stream(), 1 if rate == 1 else 64, rate=rate / size, answered=note)
            wait_until(lambda: len(seen) >= len(answered), 60, "every answered event is a row")
        finally:
            stop.set()
            watcher.join()
    waits = sorted(max(0.0, (seen[one] - at) * 1000) for one, at in answered.items())
    at = lambda share: waits[min(len(waits) - 1, int(len(waits) * share))]  # noqa: E731
    extra = {
        "p50_ms": round(at(0.5), 1),
        "p99_ms": round(at(0.99), 1),
        "max_ms": round(waits[-1], 1),
        "achieved_per_s": round(load.answers * size / load.seconds),
    }
    return Result(name, "ms (p99)", [at(0.99)], extra=extra)


BENCHES = {
    "ingest-single": single,
    "ingest-batch-json": batches,
    "ingest-batch-ndjson": batches,
    **{f"latency-{rate}": latency for rate in (1, 1000, 5000, 20000)},
}
