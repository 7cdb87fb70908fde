"""Events are sent until they are acknowledged, with the same event_id, to a server of the test's own."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from etld.errors import EtldError, Unreachable, UsageError
from etld.samples.sender import Destination, SendResult, destination, send_all
from etld.util.ports import free_port
from support.certificates import make

Answer = Callable[[int, web.Request], web.Response]


def sent(answer: Answer, count: int, connections: int = 1, patience: float = 5.0, rate: float = 0.0) -> Any:
    """(event ids as they came, the statuses told, the result) after `count` events to a server that answers so."""

    async def run() -> Any:
        came: list[str] = []

        async def handle(request: web.Request) -> web.Response:
            came.append((await request.json())["event_id"])
            return answer(len(came), request)

        app = web.Application()
        app.router.add_post("/track", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        told: list[int] = []
        result = SendResult(lambda event, status, document: told.append(status))
        try:
            events = ({"event_id": str(number)} for number in range(count))
            await send_all(events, destination(f"127.0.0.1:{port}", "k1", patience), connections, rate, result)
        finally:
            await runner.cleanup()
        return came, told, result

    return asyncio.run(run())


def test_a_certificate_that_is_not_to_be_trusted_ends_it(tmp_path: Path) -> None:
    """At once: to send again changes nothing."""
    pair = make(tmp_path)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(pair.certificate, pair.key)

    async def run() -> None:
        server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0, ssl=serving)
        async with server:
            url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
            result = SendResult(lambda *_: None)
            await send_all([{"event_id": "1"}], destination(url, None, 60.0), 1, 0.0, result)

    began = time.monotonic()
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(run())
    assert caught.group_contains(EtldError, match=r"localhost:.* not to be trusted: self.signed cert")
    assert time.monotonic() - began < 3


def test_an_unanswered_event_is_sent_again_with_its_id() -> None:
    def answer(number: int, request: web.Request) -> web.Response:
        assert request.headers["X-Write-Key"] == "k1"
        if number == 1:
            assert request.transport is not None
            request.transport.close()
        return web.json_response({}, status={2: 503, 4: 422}.get(number, 200))

    came, told, result = sent(answer, 3)
    assert came == ["0", "0", "0", "1", "2"]
    assert told == [200, 422, 200]
    assert result.retried == 2


def test_retry_after_is_heeded() -> None:
    began = time.monotonic()
    status = {1: 429}
    came, told, _ = sent(
        lambda number, _: web.json_response({}, status=status.get(number, 200), headers={"Retry-After": "1"}), 1
    )
    assert (came, told) == (["0", "0"], [200])
    assert time.monotonic() - began >= 1.0


def test_every_event_is_sent_once_over_several_connections_that_are_kept() -> None:
    peers = set()

    def answer(number: int, request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.json_response({})

    came, told, _ = sent(answer, 200, connections=4)
    assert sorted(came, key=int) == [str(number) for number in range(200)]
    assert told == [200] * 200
    assert len(peers) <= 4


def test_a_rate_is_held() -> None:
    began = time.monotonic()
    sent(lambda *_: web.json_response({}), 10, connections=3, rate=30)
    assert time.monotonic() - began >= 0.3


def test_patience_ends() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        sent(lambda *_: web.json_response({"detail": "Kafka is away"}, status=503), 1, patience=0.1)
    (error,) = caught.value.exceptions
    assert isinstance(error, EtldError)
    assert "has acknowledged nothing" in str(error)
    assert "Kafka is away" in str(error)


def test_nobody_there() -> None:
    to = Destination(destination(f"127.0.0.1:{free_port()}", None, 0.1).url, None, 0.1)
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(send_all([{"event_id": "1"}], to, 1, 0.0, SendResult(lambda *_: None)))
    (error,) = caught.value.exceptions
    assert isinstance(error, Unreachable)
    assert "(Connection refused)" in str(error)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("shop.example", "http://shop.example/track"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/track"),
        ("https://[::1]/v1/track", "https://[::1]/v1/track"),
    ],
)
def test_where_a_url_leads(url: str, expected: str) -> None:
    assert str(destination(url, None, 1.0).url) == expected


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://x:99999"])
def test_what_is_no_place_to_send_to(url: str) -> None:
    with pytest.raises(UsageError, match="--url"):
        destination(url, None, 1.0)
