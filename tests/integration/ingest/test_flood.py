"""Strangers flood the port; operators and those with a key notice little of it."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest

from support import flood
from support.daemon import Daemon
from support.events import event
from support.waiting import wait_until

pytestmark = pytest.mark.integration

#: Seconds that an operator, and 99 of 100 paying clients, wait at most while strangers flood the port. Where the
#: machine has much else to do they wait longer without a flood too: up to so many times as long as then.
STATUS, P99 = 1.0, 0.25
_TIMES = 8


@contextlib.contextmanager
def flooded(port: int, scrapers: int, half_bodies: int) -> Iterator[dict[str, int]]:
    """So many strangers; at the end, how often each was answered with what."""
    command = [sys.executable, flood.__file__, str(port), str(scrapers), str(half_bodies)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    seen: dict[str, int] = {}
    try:
        assert child.stdout.readline() == "begun\n"
        yield seen
        child.send_signal(signal.SIGTERM)
        seen.update(json.loads(child.stdout.readline()))
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


class Paying:
    """Clients with a key that send one event after the other, and how long each answer took."""

    def __init__(self, port: int, count: int) -> None:
        self.seconds: list[float] = []
        self.statuses: list[int] = []
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        body = json.dumps(event()).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stop.wait(0.05):
            began = time.monotonic()
            connection.request("POST", "/track", body, {"X-Write-Key": "one"})
            answer = connection.getresponse()
            answer.read()
            self.seconds.append(time.monotonic() - began)
            self.statuses.append(answer.status)
        connection.close()

    def p99(self) -> float:
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]


def slowest_status(daemon: Daemon) -> float:
    """Seconds of the slowest of five."""
    took = []
    for _ in range(5):
        began = time.monotonic()
        assert daemon.json("status")["state"] in ("ready", "degraded")
        took.append(time.monotonic() - began)
    return max(took)


def measured(daemon: Daemon, port: int) -> tuple[float, float]:
    """The slowest status, and the 99th percentile of clients with a key."""
    with Paying(port, 8) as paying:
        wait_until(lambda: len(paying.seconds) > 100, 60)
        paying.seconds.clear()
        status = slowest_status(daemon)
        wait_until(lambda: len(paying.seconds) > 1000, 60)
    assert set(paying.statuses) == {200}
    return status, paying.p99()


def test_a_flood_of_strangers(make_daemon: Callable[[], Daemon], record_property: Any) -> None:
    daemon = make_daemon()
    keys = daemon.directory / "keys.toml"
    keys.write_text(f'[a]\nsha256="{hashlib.sha256(b"one").hexdigest()}"\n')
    daemon.configure({"ingest.workers": 2, "ingest.keys_file": str(keys)})
    with daemon.running():
        port = int(daemon.settings()["ingest"]["port"])
        without = measured(daemon, port)
        with flooded(port, scrapers=200, half_bodies=500) as seen:
            found = measured(daemon, port)
        told = [f"etld status {status:.2f} s, p99 {p99 * 1000:.0f} ms" for status, p99 in (without, found)]
        print(f"without a flood: {told[0]}; with it: {told[1]}; the flood: {seen}")
        record_property("status_s", found[0])
        record_property("p99_s", found[1])
        assert found[0] < max(STATUS, _TIMES * without[0])
        assert found[1] < max(P99, _TIMES * without[1])
        assert seen["scrapes 200"] >= 200
        assert seen.get("half bodies 503"), "the small room was full"
        assert {worker["restarts"] for worker in daemon.status()["workers"]} == {0}
