"""A small HTTP/1.1 client that sends each event until it is acknowledged."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from etld.errors import EtldError, Unreachable, UsageError

_ANSWER_TIMEOUT = 15.0
_RETRY = frozenset({408, 429, 500, 502, 503, 504})
_LONGEST_WAIT = 1.0

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """Where events go: `patience` is how many seconds may pass without any acknowledgement."""

    host: str
    port: int
    path: str
    tls: bool
    key: str | None
    patience: float


@dataclass(slots=True)
class Outcome:
    """What became of the events: `on_answer` is called with each one and its final status."""

    on_answer: Callable[[Event, int, dict[str, Any]], None]
    retried: int = 0
    last_success: float = field(default_factory=time.monotonic)
    answered: bool = False


def target(url: str, key: str | None, patience: float) -> Target:
    """The parts of a URL, with /track when it names no path; raises `UsageError`."""
    parts = urlsplit(url if "//" in url else f"http://{url}")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise UsageError(f"--url {url}: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--url {url}: expected such as http://127.0.0.1:8080")
    path = parts.path if parts.path not in ("", "/") else "/track"
    return Target(parts.hostname, port, path, parts.scheme == "https", key, patience)


async def send_all(events: Iterable[Event], to: Target, connections: int, rate: float, outcome: Outcome) -> None:
    """Send every event over so many connections, at most `rate` a second (0: as fast as it goes).

    Raises `Unreachable` when nothing ever answered, EtldError when acknowledgements cease.
    """
    queue = iter(_numbered(events))
    started = time.monotonic()
    outcome.last_success = started
    async with asyncio.TaskGroup() as group:
        for _ in range(max(1, connections)):
            group.create_task(_Line(to, outcome).work(queue, rate, started))


def _numbered(events: Iterable[Event]) -> Iterator[tuple[int, Event]]:
    return enumerate(events)


class _Line:
    """One keep-alive connection."""

    def __init__(self, to: Target, outcome: Outcome) -> None:
        self._to = to
        self._outcome = outcome
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        key = f"X-Write-Key: {to.key}\r\n" if to.key else ""
        host = f"[{to.host}]" if ":" in to.host else to.host
        start = f"POST {to.path} HTTP/1.1\r\nHost: {host}:{to.port}\r\n{key}Content-Type: application/json\r\n"
        self._start = start.encode() + b"Content-Length: "

    async def work(self, queue: Iterator[tuple[int, Event]], rate: float, started: float) -> None:
        try:
            for number, event in queue:
                if rate:
                    await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
                await self._until_answered(event)
        finally:
            self._close()

    async def _until_answered(self, event: Event) -> None:
        body = orjson.dumps(event)
        request = b"%s%d\r\n\r\n%s" % (self._start, len(body), body)
        outcome, pause, problem = self._outcome, 0.05, "no answer"
        while True:
            try:
                async with asyncio.timeout(_ANSWER_TIMEOUT):
                    status, answer = await self._exchange(request)
            except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError) as error:
                self._close()
                problem = str(error) or "no answer"
            else:
                outcome.answered = True
                if status not in _RETRY:
                    outcome.last_success = time.monotonic()
                    outcome.on_answer(event, status, _document(answer))
                    return
                problem = f"HTTP {status}: {_document(answer).get('detail', '')}"
            silent = time.monotonic() - outcome.last_success
            if silent > self._to.patience or (not outcome.answered and silent > min(5.0, self._to.patience)):
                where = f"{self._to.host}:{self._to.port}"
                if not outcome.answered:
                    raise Unreachable(f"nothing answers at {where} ({problem}): is the daemon running?")
                raise EtldError(f"{where} has acknowledged nothing for {silent:.0f} s ({problem})")
            outcome.retried += 1
            await asyncio.sleep(pause)
            pause = min(_LONGEST_WAIT, pause * 2)

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        if self._writer is None:
            context = ssl.create_default_context() if self._to.tls else None
            self._reader, self._writer = await asyncio.open_connection(self._to.host, self._to.port, ssl=context)
        reader, writer = self._reader, self._writer
        assert reader is not None
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0)
        body = await reader.readexactly(length) if length else b""
        if b"\r\nconnection: close" in head:
            self._close()
        return status, body

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


def _document(answer: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}
