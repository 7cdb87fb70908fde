"""A connection without a socket: what it writes for what it is fed, and when it closes."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etld.ingest.http.answers import Answer, HttpRefusal, json_answer, problem
from etld.ingest.http.connection import ConnectionState, HttpConnection
from etld.ingest.http.request import HttpRequest, Sender
from etld.ingest.http.server import HttpServer
from etld.ingest.http.status import LINGER, HttpLimits, ServerStatus

ROOT = Path(__file__).resolve().parents[4]
LIMITS = HttpLimits(max_body=100, max_connections=3, header_timeout=5.0, body_timeout=7.0, keep_alive=60.0)
GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("::ffff:192.0.2.7", 1, 0, 0)})
        self.written = b""
        self.closed = self.ended = self.paused = False

    def write(self, data: Any) -> None:
        """Keep it."""
        self.written += data

    def close(self) -> None:
        """Both directions."""
        self.closed = True

    def can_write_eof(self) -> bool:
        """As TCP can, and TLS cannot."""
        return True

    def write_eof(self) -> None:
        """Nothing more will be written."""
        self.ended = True

    def pause_reading(self) -> None:
        """Feed nothing for now."""
        self.paused = True

    def resume_reading(self) -> None:
        """Go on."""
        self.paused = False

    def statuses(self) -> list[int]:
        """Of the answers so far."""
        return [int(part[:3]) for part in self.written.split(b"HTTP/1.1 ")[1:]]


class Clock(asyncio.AbstractEventLoop):
    """The only thing that a server asks of its loop between its start and its end."""

    now = 100.0

    def time(self) -> float:
        """Seconds."""
        return self.now


class ManualServer:
    """A server whose requests wait until the test answers them, and connections to it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.waiting: list[tuple[HttpConnection, HttpRequest]] = []
        #: What `admit` gives, or raises.
        self.admits: Sender | Answer = Sender("192.0.2.7", known=True)
        self.judged: list[HttpRequest] = []
        self.server = HttpServer(self.clock, self, ServerStatus(self.clock, LIMITS))

    def handle(self, connection: HttpConnection, request: HttpRequest) -> None:
        """Let it wait."""
        self.waiting.append((connection, request))

    def admit(self, connection: HttpConnection, request: HttpRequest) -> Sender:
        """As the test says."""
        self.judged.append(request)
        if isinstance(self.admits, Answer):
            raise HttpRefusal(self.admits)
        return self.admits

    def extra_headers(self, request: HttpRequest) -> bytes:
        """For refusals."""
        return b"X-Extra: 1\r\n"

    def connect(self) -> tuple[HttpConnection, Transport]:
        """One more client."""
        connection, transport = HttpConnection(self.server), Transport()
        connection.connection_made(transport)
        return connection, transport

    def answer(self, status: int = 200) -> HttpRequest:
        """Answer the oldest request that waits."""
        connection, request = self.waiting.pop(0)
        connection.answer(json_answer(status, {"path": request.path}))
        return request

    def later(self, seconds: float) -> None:
        """So much time passes."""
        for _ in range(10):
            self.clock.now += seconds / 10
            self.server.tick()


@pytest.fixture
def manual() -> Iterator[ManualServer]:
    """A server of its own for each test; whatever happened, no body may count as being read at the end."""
    made = ManualServer()
    yield made
    for connection in tuple(made.server.connections):
        connection.connection_lost(None)
    assert (made.server.status.room.taken, made.server.status.small_room.taken) == (0, 0)
    assert not made.server.connections


def test_pipelined_requests_wait_for_the_answer_before_them(manual: ManualServer) -> None:
    connection, transport = manual.connect()
    connection.data_received(GET % 1 + GET % 2 + GET % 3)
    assert [request.path for _, request in manual.waiting] == ["/1"]
    assert transport.paused
    for path in ("/1", "/2", "/3"):
        assert manual.answer().path == path
    assert not transport.paused
    assert transport.statuses() == [200, 200, 200]
    assert connection.state == ConnectionState.IDLE


def test_a_body_in_pieces_counts_until_it_is_whole(manual: ManualServer) -> None:
    connection, transport = manual.connect()
    connection.data_received(POST % (1, 10) + b"12345")
    room = manual.server.status.room
    assert (connection.state, room.taken) == (ConnectionState.BODY, 5)
    connection.data_received(b"678")
    assert room.taken == 8
    connection.data_received(b"90")
    assert room.taken == 0
    assert manual.answer().body == b"1234567890"
    assert transport.statuses() == [200]


def test_the_body_of_the_next_request_comes_while_the_first_is_answered(manual: ManualServer) -> None:
    connection, transport = manual.connect()
    connection.data_received(GET % 1 + POST % (2, 4) + b"12")
    assert transport.paused
    manual.answer()
    assert not transport.paused
    connection.data_received(b"34" + GET % 3)
    assert manual.answer().body == b"1234"
    assert manual.answer().path == "/3"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (POST % (1, 101), 413),
        (POST % (1, 101) + b"x" * 101, 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"65\r\n" + b"x" * 101, 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nExpect: cake\r\nContent-Length: 5\r\n\r\n", 417),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz", 400),
    ],
)
def test_a_body_that_need_not_come_is_refused_with_the_extra_headers(
    manual: ManualServer, head: bytes, status: int
) -> None:
    connection, transport = manual.connect()
    connection.data_received(head)
    assert transport.statuses() == [status]
    assert b"X-Extra: 1" in transport.written
    assert b"Connection: close" in transport.written
    assert transport.ended
    assert not manual.waiting


def test_a_client_that_waits_for_100_continue_gets_it(manual: ManualServer) -> None:
    connection, transport = manual.connect()
    connection.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert transport.statuses() == [100]
    connection.data_received(b"{}")
    manual.answer()
    assert transport.statuses() == [100, 200]


def test_a_peer_has_one_spelling(manual: ManualServer) -> None:
    assert manual.connect()[0].peer == "192.0.2.7"


def test_what_is_no_http_is_answered_after_what_came_before_it(manual: ManualServer) -> None:
    connection, transport = manual.connect()
    connection.data_received(GET % 1 + GET % 2 + b"\0\r\n\r\n")
    manual.answer()
    manual.answer()
    assert transport.statuses() == [200, 200, 400]
    assert transport.ended
    connection.data_received(GET % 3)
    assert not manual.waiting


def test_what_waits_when_the_client_ends_its_side_is_answered_before_the_end(manual: ManualServer) -> None:
    connection, transport = manual.connect()
    connection.data_received(GET % 1 + GET % 2 + POST % (3, 9) + b"half")
    assert connection.eof_received()
    manual.answer()
    manual.answer()
    assert transport.statuses() == [200, 200, 400]
    assert transport.closed
    connection, transport = manual.connect()
    connection.data_received(GET % 1 + b"\0\r\n")
    assert connection.eof_received()
    manual.answer()
    assert transport.statuses() == [200, 400]
    assert transport.closed


def test_half_a_body_and_the_end_is_told_so(manual: ManualServer) -> None:
    connection, transport = manual.connect()
    connection.data_received(POST % (3, 9) + b"half")
    connection.eof_received()
    assert transport.statuses() == [400]
    assert transport.closed


@pytest.mark.parametrize("known", [True, False])
def test_a_body_is_given_room_by_who_sends_it(manual: ManualServer, known: bool) -> None:
    status = manual.server.status
    room, other = (status.room, status.small_room) if known else (status.small_room, status.room)
    manual.admits = Sender("somebody", known=known)
    connection, transport = manual.connect()
    connection.data_received(POST % (1, 10) + b"12345")
    assert (room.held("somebody"), other.taken) == (5, 0)
    taken = room.limit // 2 - 5
    assert room.take("somebody", taken)
    connection.data_received(b"6789")
    assert transport.statuses() == [503]
    assert transport.ended
    manual.admits = Sender("another", known=known)
    connection, transport = manual.connect()
    connection.data_received(POST % (1, 10) + b"12345")
    assert transport.statuses() == []
    room.give_back("somebody", taken)


def test_a_head_is_judged_before_its_body_comes_and_only_then(manual: ManualServer) -> None:
    connection, _ = manual.connect()
    connection.data_received(POST % (1, 2) + b"{}")
    manual.answer()
    assert not manual.judged
    connection.data_received(POST % (2, 2))
    assert [request.path for request in manual.judged] == ["/2"]
    connection.data_received(b"{")
    connection.data_received(b"}" + GET % 3)
    manual.answer()
    manual.answer()
    assert len(manual.judged) == 1


@pytest.mark.parametrize(
    "head",
    [
        POST % (1, 70_000),
        b"POST /1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /1 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_who_may_not_send_is_told_so_before_the_body(manual: ManualServer, head: bytes) -> None:
    manual.server.status.max_body = 1 << 20
    manual.admits = problem(401, "no_key", "who are you?")
    connection, transport = manual.connect()
    connection.data_received(head)
    assert transport.statuses() == [401]
    assert b"X-Extra: 1" in transport.written
    assert transport.ended


def test_a_short_body_that_is_refused_comes_to_its_end_so_that_the_connection_goes_on(manual: ManualServer) -> None:
    manual.admits = problem(429, "too_many_events", "wait")
    connection, transport = manual.connect()
    connection.data_received(POST % (1, 10) + b"12345")
    connection.data_received(b"678")
    assert transport.statuses() == []
    assert manual.server.status.room.taken == 0
    connection.data_received(b"90" + GET % 2)
    assert transport.statuses() == [429]
    assert b"X-Extra: 1" in transport.written
    assert b"Connection: close" not in transport.written
    assert manual.answer().path == "/2"
    assert transport.statuses() == [429, 200]


def test_head_has_no_body(manual: ManualServer) -> None:
    connection, transport = manual.connect()
    connection.data_received(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    manual.answer()
    assert transport.written.endswith(b"\r\n\r\n")
    assert b"Content-Length: 12" in transport.written


@pytest.mark.parametrize(("version", "header"), [(b"1.0", b"Connection: keep-alive\r\n"), (b"1.1", b"")])
def test_the_connection_is_kept(manual: ManualServer, version: bytes, header: bytes) -> None:
    connection, transport = manual.connect()
    connection.data_received(b"GET / HTTP/%s\r\nHost: x\r\n%s\r\n" % (version, header))
    manual.answer()
    assert header in transport.written
    assert not transport.ended


@pytest.mark.parametrize("reason", ["asked", "draining", "surplus", "eof", "answer"])
def test_the_connection_is_closed_after_the_answer(manual: ManualServer, reason: str) -> None:
    connection, transport = manual.connect()
    connection.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n%s\r\n" % (b"Connection: close\r\n" * (reason == "asked")))
    manual.server.status.draining = reason == "draining"
    manual.server.status.surplus = int(reason == "surplus")
    if reason == "eof":
        assert connection.eof_received()
    manual.waiting[0][0].answer(Answer(200, close=reason == "answer"))
    assert b"Connection: close\r\n" in transport.written
    assert transport.closed if reason == "eof" else transport.ended
    assert manual.server.status.surplus == 0
    manual.later(LINGER * 2)
    assert transport.closed


def test_who_is_slow_is_told_so(manual: ManualServer) -> None:
    connection, transport = manual.connect()
    connection.data_received(GET % 1 + b"GET /2 HT")
    manual.later(60.0)
    assert not transport.ended, "etld is slow here, not the client"
    manual.answer()
    assert connection.state == ConnectionState.HEADERS
    manual.later(4.0)
    assert transport.statuses() == [200]
    manual.later(2.0)
    assert transport.statuses() == [200, 408]
    connection, transport = manual.connect()
    connection.data_received(POST % (1, 5) + b"1")
    manual.later(6.0)
    assert transport.statuses() == []
    manual.later(2.0)
    assert transport.statuses() == [408]


def test_idle_connections_are_closed_those_without_a_request_sooner(manual: ManualServer) -> None:
    connection, silent = HttpConnection(manual.server), Transport()
    connection.connection_made(silent)
    served, transport = manual.connect()
    served.data_received(GET % 1)
    manual.answer()
    manual.later(6.0)
    assert (silent.closed, transport.closed) == (True, False)
    manual.later(50.0)
    assert not transport.closed
    manual.later(10.0)
    assert transport.closed
    assert not transport.ended


def test_who_leaves_answers_unread_is_served_no_more_and_closed(manual: ManualServer) -> None:
    connection, transport = manual.connect()
    connection.data_received(GET % 1)
    manual.answer()
    connection.pause_writing()
    connection.data_received(GET % 2)
    assert not manual.waiting
    assert transport.paused
    connection.resume_writing()
    assert manual.answer().path == "/2"
    connection.pause_writing()
    manual.later(8.0)
    assert transport.closed


def test_the_longest_idle_makes_way_and_then_a_slow_one(manual: ManualServer) -> None:
    old, old_transport = manual.connect()
    manual.later(1.0)
    for _ in range(2):
        manual.connect()
    _, transport = manual.connect()
    assert old_transport.closed
    assert transport.statuses() == []
    old.connection_lost(None)
    for connection in manual.server.connections:
        connection.data_received(GET % 1)
    turned_away = [manual.connect()[1] for _ in range(51)]
    assert {tuple(transport.statuses()) for transport in turned_away} == {(503,)}
    assert all(transport.ended for transport in turned_away)
    assert [transport.closed for transport in turned_away] == [True] + [False] * 50
    manual.later(LINGER + 1.1)
    assert all(transport.closed for transport in turned_away)


def test_an_answer_to_a_client_that_is_gone_goes_nowhere(manual: ManualServer) -> None:
    connection, transport = manual.connect()
    connection.data_received(GET % 1)
    connection.connection_lost(None)
    manual.answer()
    assert transport.written == b""


def test_the_import_contract_keeps_http_apart_from_every_other_module_of_ingest() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = (each for each in contracts if each["name"] == "HTTP knows nothing of events")
    there = {f"etld.ingest.{path.stem}" for path in (ROOT / "etld/ingest").glob("*.py")} - {"etld.ingest.__init__"}
    assert there <= set(contract["forbidden_modules"])
