"""A broker that freezes under as much load as this machine can make: a 503 within a second, and bounded memory."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from uuid import uuid4

import psycopg

from support.daemon import Daemon
from support.events import event
from support.processes import children
from support.waiting import wait_until

#: Seconds that the broker stands still; the long run: ETLD_FROZEN=30.
FROZEN = float(os.environ.get("ETLD_FROZEN", "5"))
CLIENTS = 200


class Load:
    """Connections that send the next event as soon as the last was answered."""

    def __init__(self, port: int) -> None:
        self.accepted: list[str] = []
        self.statuses: Counter[int] = Counter()
        self.first_refusal = 0.0
        self.longest = 0.0
        self.stopped = False
        self._port = port

    async def client(self) -> None:
        """One connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while not self.stopped:
            own = str(uuid4())
            body = json.dumps(event(event_id=own)).encode()
            began = time.monotonic()
            writer.write(b"POST /track HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(size)
            status, now = int(head[9:12]), time.monotonic()
            self.statuses[status] += 1
            self.longest = max(self.longest, now - began)
            if status == 200:
                self.accepted.append(own)
            elif not self.first_refusal:
                self.first_refusal = now
        writer.close()


async def scene(load: Load, broker: int) -> float:
    """Load, freeze, thaw, load; how long the first 503 took."""
    clients = [asyncio.create_task(load.client()) for _ in range(CLIENTS)]
    try:
        await until(lambda: load.statuses[200] > 2000)
        load.first_refusal = 0.0
        began = time.monotonic()
        os.kill(broker, signal.SIGSTOP)
        try:
            await asyncio.sleep(FROZEN)
        finally:
            os.kill(broker, signal.SIGCONT)
        first = load.first_refusal - began
        thawed = load.statuses[200]
        await until(lambda: load.statuses[200] > thawed + 2000)
        return first
    finally:
        load.stopped = True
        await asyncio.gather(*clients)


async def until(condition: object) -> None:
    """Wait for it, a minute at most."""
    async with asyncio.timeout(60):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110  # others set it
            await asyncio.sleep(0.02)


def highest(pid: int) -> float:
    """The most memory it ever had resident, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def test_memory_is_bounded_and_the_answer_comes_soon(daemon: Daemon) -> None:
    ingest = int(daemon.worker("ingest-0")["pid"])
    [broker] = children(int(daemon.worker("embedded-kafka")["pid"]))
    load = Load(int(daemon.settings()["ingest"]["port"]))
    first = asyncio.run(scene(load, broker))
    told = f"{load.statuses}, first 503 after {first:.2f} s, longest {load.longest:.2f} s, {highest(ingest):.0f} MB"
    assert set(load.statuses) == {200, 503}, told
    assert 0 < first < 1.0, told
    assert load.longest < 5.0, told
    assert highest(ingest) < 200, told
    assert int(daemon.worker("ingest-0")["pid"]) == ingest

    def stored() -> bool:
        with psycopg.connect(daemon.dsn) as connection:
            query = "SELECT count(*), count(DISTINCT event_id) FROM processed_events WHERE event_id = ANY(%s::uuid[])"
            row = connection.execute(query, (load.accepted,)).fetchone()
        assert row is not None
        assert row[0] == row[1]
        return bool(row[0] == len(load.accepted))

    wait_until(stored, 60, "every acknowledged event is stored", interval=0.5)
