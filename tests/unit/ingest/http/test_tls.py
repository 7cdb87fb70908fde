"""A server with TLS, by real clients: handshakes that are made, not made, or no handshakes; both ends of a stream."""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
import uvloop

from etld.config.sections.ingest import IngestSection
from etld.ingest import certificate
from etld.ingest.http.answers import Answer
from etld.ingest.http.connection import HttpConnection
from etld.ingest.http.request import HttpRequest, Sender
from etld.ingest.http.server import HttpServer
from etld.ingest.http.status import HttpLimits, ServerStatus
from support.certificates import Pair, make
from support.waiting import wait_until

LIMITS = HttpLimits(max_body=4 << 20, max_connections=4, header_timeout=0.5, body_timeout=3.0, keep_alive=30.0)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class TlsServer:
    """Answers with the body it got; to /slow a moment later."""

    def __init__(self, pair: Pair) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self.listener.getsockname()[1]
        self.server: HttpServer
        self.draining = self.stopping = False
        self._pair = pair
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping = True
        self._thread.join(10)
        self.listener.close()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        self.server = HttpServer(loop, self, ServerStatus(loop, LIMITS))
        self.show(self._pair)
        await self.server.listen([self.listener])
        self._up.set()
        while not self.stopping:
            self.server.tick()
            await asyncio.sleep(0.02)
            if self.draining:
                await self.server.drain(1.0, self.server.tick)
                return
        for listening in self.server._servers:
            listening.close()

    def show(self, pair: Pair) -> None:
        """Use this certificate from now on."""
        files = {"tls_cert_file": str(pair.certificate), "tls_key_file": str(pair.key)}
        found = certificate.load(IngestSection.model_validate(files))
        assert found is not None
        self.server.tls = found.context

    def handle(self, connection: HttpConnection, request: HttpRequest) -> None:
        answer = Answer(200, request.body or b"none", b"text/plain")
        wait = 0.2 if request.path == "/slow" else 0
        asyncio.get_running_loop().call_later(wait, connection.answer, answer)

    def admit(self, connection: HttpConnection, request: HttpRequest) -> Sender:
        return Sender("", known=True)

    def extra_headers(self, request: HttpRequest) -> bytes:
        return b""

    def plain(self) -> socket.socket:
        """A connection without TLS."""
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def open(self, pair: Pair, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLSocket:
        """A connection with TLS."""
        context = certificate.client_context(pair.certificate, own=True)
        context.maximum_version = version
        context.set_alpn_protocols(["http/1.1"])
        return context.wrap_socket(self.plain(), suppress_ragged_eofs=False)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(pair: Pair) -> Iterator[TlsServer]:
    with TlsServer(pair) as made:
        yield made


def status(client: socket.socket, data: bytes = GET) -> int:
    """The status of the answer to one request."""
    client.sendall(data)
    answer = http.client.HTTPResponse(client)
    answer.begin()
    answer.read()
    return answer.status


def until_closed(client: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    while piece := client.recv(65536):
        found += piece
    return found


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_large_and_small(server: TlsServer, pair: Pair, version: ssl.TLSVersion) -> None:
    """One after another on one connection, and many at once."""
    body = bytes(range(256)) * 12_000
    with server.open(pair, version) as client:
        assert client.selected_alpn_protocol() == "http/1.1"
        for size in (0, 1, 16_384, 16_385, len(body), 100):
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + body[:size])
            answer = http.client.HTTPResponse(client)
            answer.begin()
            assert answer.read() == (body[:size] or b"none")
        client.sendall(GET * 50 + GET.replace(b"Host", b"Connection: close\r\nHost"))
        assert until_closed(client).count(b"HTTP/1.1 200 OK") == 51


def test_an_old_version_is_refused(server: TlsServer, pair: Pair) -> None:
    """TLS 1.1, by a client that would take it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"(?i)version"):
        context.wrap_socket(server.plain())
    wait_until(lambda: server.server.status.failed_handshakes == 1, 5)


def test_a_handshake_in_single_bytes(server: TlsServer, pair: Pair) -> None:
    """However the network cuts it."""
    context = certificate.client_context(pair.certificate, own=True)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing)
    with server.plain() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def through(step: object) -> object:
            while True:
                try:
                    done = step()  # type: ignore[operator]
                except ssl.SSLWantReadError:
                    done = None
                for byte in outgoing.read():
                    client.sendall(bytes([byte]))
                if done is not None:
                    return done
                incoming.write(client.recv(7))

        through(lambda: tls.do_handshake() or True)
        through(lambda: tls.write(GET))
        assert str(through(lambda: tls.read(12)), "ascii") == "HTTP/1.1 200"


def test_http_is_told_that_this_is_https(server: TlsServer) -> None:
    """In plain words, which it can read; other noise gets nothing. Both are counted, a look at the port is not."""
    server.plain().close()
    with server.plain() as client:
        client.sendall(GET)
        answer = until_closed(client)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b'"code":"https_only"' in answer
    with server.plain() as client:
        client.sendall(b"\0" * 100)
        assert b"HTTP" not in until_closed(client)
    wait_until(lambda: server.server.status.failed_handshakes == 2 and not server.server.connections, 5)


@pytest.mark.parametrize("start", [b"", b"\x16\x03\x01\x02\x00\x01"])
def test_a_handshake_has_its_time(server: TlsServer, pair: Pair, start: bytes) -> None:
    """However slowly it goes on, and nobody else waits for it."""
    with server.plain() as client:
        client.sendall(start)
        began = time.monotonic()
        wait_until(lambda: len(server.server.connections) == 1, 5)
        with server.open(pair) as other:
            assert status(other) == 200
        client.settimeout(0.1)
        while time.monotonic() - began < 10:
            try:
                assert client.recv(10) == b""
                break
            except TimeoutError:
                client.sendall(b"\0" if start else b"")
        assert 0.4 < time.monotonic() - began < 5
    wait_until(lambda: not server.server.connections, 5)
    assert server.server.status.failed_handshakes == bool(start)


def test_handshakes_count_as_connections_and_make_way(server: TlsServer, pair: Pair) -> None:
    """For whoever comes, the oldest first."""
    held = [server.plain() for _ in range(8)]
    wait_until(lambda: len(server.server.connections) == LIMITS.max_connections, 5)
    with server.open(pair) as client:
        assert status(client) == 200
        assert len(server.server.connections) <= LIMITS.max_connections
    for one in held:
        one.close()


def test_no_room_while_all_wait_for_their_answers(server: TlsServer, pair: Pair) -> None:
    """Who comes then is turned away, and nobody inside is disturbed."""
    inside = [server.open(pair) for _ in range(LIMITS.max_connections)]
    for client in inside:
        client.sendall(GET.replace(b"/ ", b"/slow "))
    wait_until(lambda: all(item.state == 3 for item in server.server.connections), 5)
    with pytest.raises(OSError, match=r".*"):
        server.open(pair)
    for client in inside:
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        client.close()


def test_a_client_that_said_goodbye_gets_its_answer(server: TlsServer, pair: Pair) -> None:
    """It only ends its own direction, by TLS's goodbye or by TCP's."""
    slow = GET.replace(b"/ ", b"/slow ")
    with server.open(pair) as client:
        client.sendall(slow)
        with socket.socket(fileno=os.dup(client.fileno())) as same:  # the client's own shutdown would forget TLS
            same.shutdown(socket.SHUT_WR)
        assert until_closed(client).startswith(b"HTTP/1.1 200 OK")
    context = certificate.client_context(pair.certificate, own=True)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing)
    with server.plain() as raw:
        for step in (tls.do_handshake, lambda: tls.write(slow), tls.unwrap):
            while True:
                try:
                    step()
                    break
                except ssl.SSLWantReadError:
                    raw.sendall(outgoing.read())
                    if step == tls.unwrap:
                        break
                    incoming.write(raw.recv(65536))
        incoming.write(until_closed(raw))
        assert tls.read(15) == b"HTTP/1.1 200 OK"


def test_an_end_is_told_and_not_cut_off(server: TlsServer, pair: Pair) -> None:
    """An answer that ends the connection comes whole, with TLS's goodbye, though the client still sends."""
    with server.open(pair) as client:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n"
        client.sendall(head + b"x" * 100_000)
        for _ in range(3):
            time.sleep(0.05)
            client.sendall(b"x" * 100_000)
        answer = until_closed(client)  # SSLEOFError without the goodbye
        assert answer.startswith(b"HTTP/1.1 413 ")
    with server.open(pair) as client:
        assert status(client) == 200
        server.draining = True
        assert until_closed(client) == b""


def test_another_certificate_is_for_those_who_come(server: TlsServer, pair: Pair, tmp_path: Path) -> None:
    """Who is there goes on as before."""
    other = make(tmp_path)
    with server.open(pair) as client:
        assert status(client) == 200
        server.show(other)
        with server.open(other) as newcomer:
            assert status(newcomer) == 200
        assert status(client) == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        server.open(pair)
