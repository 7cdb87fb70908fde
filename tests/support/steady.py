"""Requests at a steady rate, each sent once: whatever is not a 200 is a failure, and nothing is tried again.

A process of its own (`python -m support.steady HOST PORT RATE KEY`, until the end of its standard input), so that the
test's work does not make it late. Half of the clients keep their connection while the server lets them, half
open one for each request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from support.events import event

_CLIENTS = 48
_ANSWER_WITHIN = 10.0
_TYPES = ("purchase", "order", "delivery")
TESTS = Path(__file__).resolve().parents[1]


def request(number: int, key: str) -> bytes:
    """The n-th request, with an event of its own."""
    body = json.dumps(event(_TYPES[number % len(_TYPES)], event_id=str(uuid.uuid4()))).encode()
    head = f"POST /track HTTP/1.1\r\nHost: x\r\nX-Write-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Load:
    """The clients of one run."""

    def __init__(self, host: str, port: int, rate: float, key: str) -> None:
        self.host, self.port, self.rate, self.key = host, port, rate, key
        self.sent = 0
        self.accepted = 0
        self.slowest = 0.0
        self.failures: Counter[str] = Counter()
        self.ending = False

    async def run(self) -> None:
        """Until the end of standard input."""
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin.fileno(), self._end)
        began = time.monotonic()
        await asyncio.gather(*(self._client(number, began) for number in range(_CLIENTS)))

    def _end(self) -> None:
        if not sys.stdin.buffer.read1(1):
            self.ending = True

    async def _client(self, number: int, began: float) -> None:
        stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        turn = 0
        while not self.ending:
            due = began + (number + _CLIENTS * turn) / self.rate
            turn += 1
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self.sent += 1
            at = time.monotonic()
            kept = stream is not None
            try:
                async with asyncio.timeout(_ANSWER_WITHIN):
                    if stream is None:
                        stream = await asyncio.open_connection(self.host, self.port)
                    stream[1].write(request(self.sent, self.key))
                    head = await stream[0].readuntil(b"\r\n\r\n")
                    lines = head.lower().split(b"\r\n")
                    length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
                    body = await stream[0].readexactly(length)
            except (OSError, EOFError, TimeoutError) as error:
                where = "connecting" if stream is None else "on a kept connection" if kept else "on a new connection"
                self.failures[f"{type(error).__name__} {where}"] += 1
                stream = self._close(stream)
                continue
            self.slowest = max(self.slowest, time.monotonic() - at)
            if head.startswith(b"HTTP/1.1 200 "):
                self.accepted += 1
            else:
                self.failures[(head[:40] + body[:200]).decode()] += 1
            if b"connection: close" in lines or number % 2:
                stream = self._close(stream)

    @staticmethod
    def _close(stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None) -> None:
        if stream is not None:
            stream[1].close()


class Result:
    """What the process said at its end."""

    sent: int
    accepted: int
    #: What went wrong, and how often.
    failures: dict[str, int]
    slowest: float
    seconds: float


@contextlib.contextmanager
def steady(url: str, rate: float, key: str = "none") -> Iterator[Result]:
    """Requests while the body runs; the result is filled after it."""
    place = urlsplit(url)
    command = [sys.executable, "-m", "support.steady", str(place.hostname), str(place.port), str(rate), key]
    child = subprocess.Popen(command, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    result = Result()
    began = time.monotonic()
    try:
        yield result
    finally:
        said, _ = child.communicate(b"", timeout=60)
    vars(result).update(json.loads(said), seconds=time.monotonic() - began)


def main(host: str, port: str, rate: str, key: str) -> None:
    """Run, then print the result."""
    load = Load(host, int(port), float(rate), key)
    asyncio.run(load.run())
    done = {"sent": load.sent, "accepted": load.accepted, "failures": load.failures, "slowest": load.slowest}
    print(json.dumps(done))


if __name__ == "__main__":
    main(*sys.argv[1:])
