"""Sends events over HTTP, each until it is acknowledged."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from yarl import URL

from etld.errors import EtldError, Unreachable, UsageError
from etld.util.backoff import Backoff

_ANSWER_TIMEOUT = 15.0
#: Statuses after which the same event is sent again.
_RETRY = frozenset({408, 429, 500, 502, 503, 504})
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
#: Seconds that a Retry-After is heeded at most.
_LONGEST_RETRY_AFTER = 30.0
#: Seconds after which it is clear that nothing listens there at all.
_NOBODY_THERE = 5.0

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where events go: `patience` is how many seconds may pass without any acknowledgement.

    `tls` says which certificates count; None: those that the system trusts.
    """

    url: URL
    key: str | None
    patience: float
    tls: ssl.SSLContext | None = None


@dataclass(slots=True)
class SendResult:
    """What became of the events: `on_answer` is called with each one and its final status."""

    on_answer: Callable[[Event, int, dict[str, Any]], None]
    retried: int = 0
    last_success: float = field(default_factory=time.monotonic)
    answered: bool = False


def destination(url: str, key: str | None, patience: float) -> Destination:
    """The place that a URL names, with /track when it names no path; raises `UsageError`."""
    try:
        parsed = URL(url if "//" in url else f"http://{url}")
    except ValueError as error:
        raise UsageError(f"--url {url}: {error}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError(f"--url {url}: expected such as http://127.0.0.1:8080")
    if parsed.path in ("", "/"):
        parsed = parsed.with_path("/track")
    return Destination(parsed, key, patience)


async def send_all(events: Iterable[Event], to: Destination, connections: int, rate: float, result: SendResult) -> None:
    """Send every event over so many connections, at most `rate` a second (0: as fast as it goes).

    Raises `Unreachable` when nothing ever answered, EtldError when acknowledgements cease.
    """
    connections = max(1, connections)
    queue = iter(enumerate(events))
    started = result.last_success = time.monotonic()
    headers = {"Content-Type": "application/json"} | ({"X-Write-Key": to.key} if to.key else {})
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ssl=to.tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=_ANSWER_TIMEOUT),
        ) as session,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(connections):
            group.create_task(_send_from(queue, _Sender(session, to, result), rate, started))


async def _send_from(queue: Iterator[tuple[int, Event]], sender: _Sender, rate: float, started: float) -> None:
    for number, event in queue:
        if rate:
            await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
        await sender.until_acknowledged(event)


class _Sender:
    """One of the senders at work; it has one request at a time on its way."""

    def __init__(self, session: aiohttp.ClientSession, to: Destination, result: SendResult) -> None:
        self._session = session
        self._to = to
        self._result = result

    async def until_acknowledged(self, event: Event) -> None:
        """Send the event, with the same event_id, until there is an answer that is final."""
        body = orjson.dumps(event)
        result, backoff = self._result, Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            pause = backoff.next()
            try:
                async with self._session.post(self._to.url, data=body, allow_redirects=False) as response:
                    document = _document(await response.read())
            except aiohttp.ClientConnectorCertificateError as error:
                wrong = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
                where = f"{self._to.url.host}:{self._to.url.port}"
                raise EtldError(
                    f"{where} shows a certificate that is not to be trusted: {wrong}", code="ETLD-X008"
                ) from None
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                problem = _reason(error)
            else:
                result.answered = True
                if response.status not in _RETRY:
                    result.last_success = time.monotonic()
                    result.on_answer(event, response.status, document)
                    return
                problem = f"HTTP {response.status}: {document.get('detail', '')}"
                pause = max(pause, _retry_after(response))
            self._check_patience(problem)
            result.retried += 1
            await asyncio.sleep(pause)

    def _check_patience(self, problem: str) -> None:
        """Give up when it has been too long since anything was acknowledged."""
        to, answered = self._to, self._result.answered
        silent = time.monotonic() - self._result.last_success
        if silent <= (to.patience if answered else min(_NOBODY_THERE, to.patience)):
            return
        where = f"{to.url.host}:{to.url.port}"
        if not answered:
            raise Unreachable(f"nothing answers at {where} ({problem}): is the daemon running?", code="ETLD-X010")
        raise EtldError(f"{where} has acknowledged nothing for {silent:.0f} s ({problem})", code="ETLD-X007")


def _reason(error: Exception) -> str:
    """Why there was no answer, as the system says it where it does."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error) or "no answer"


def _retry_after(response: aiohttp.ClientResponse) -> float:
    """The seconds that an answer asks to wait; 0 when it does not say, or names a date."""
    text = response.headers.get("Retry-After", "")
    return min(float(text), _LONGEST_RETRY_AFTER) if text.isascii() and text.isdigit() else 0.0


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}
