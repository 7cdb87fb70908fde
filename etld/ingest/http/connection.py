"""One HTTP/1.1 connection, without a task or a future a request.

A request is handed to the server as soon as its body is complete, in the very call that read it, and its
answer is one write. Whoever holds a request answers it once, now or later, by `HttpConnection.answer`.
"""

from __future__ import annotations

import asyncio
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from etld.ingest.http import refusals
from etld.ingest.http.answers import Answer, HttpRefusal, opening
from etld.ingest.http.parser import BadRequest, RequestParser
from etld.util.addresses import canonical

if TYPE_CHECKING:
    from etld.ingest.http.request import HttpRequest, Sender
    from etld.ingest.http.status import ServerStatus

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ConnectionState(IntEnum):
    """What a connection waits for."""

    IDLE = 0
    HEADERS = 1
    BODY = 2
    ANSWER = 3
    CLOSE = 4


class ConnectionOwner(Protocol):
    """What a connection asks of the server it belongs to."""

    status: ServerStatus

    def handle(self, connection: HttpConnection, request: HttpRequest) -> None:
        """Serve a complete request."""

    def admit(self, connection: HttpConnection, request: HttpRequest) -> Sender:
        """Judge a request by its head, whose body is still to come; raises `HttpRefusal`."""

    def opened(self, connection: HttpConnection) -> bool:
        """Is there room for it?"""

    def closed(self, connection: HttpConnection) -> None:
        """It is gone."""

    def extra_headers(self, request: HttpRequest) -> bytes:
        """Finished header lines that every answer to this request has."""


class HttpConnection(asyncio.Protocol):
    """Reads requests one after the other; pipelined ones wait for the answer before them.

    `since` is when it came to its `state`, by the server's clock; `peer` is the other side's address.
    """

    __slots__ = (
        "_bad_request",
        "_eof",
        "_owner",
        "_parser",
        "_reading",
        "_reading_paused",
        "_request",
        "_room",
        "_sender",
        "_status",
        "_stepping",
        "extra_headers",
        "peer",
        "served",
        "since",
        "state",
        "stuck",
        "transport",
    )

    def __init__(self, owner: ConnectionOwner) -> None:
        self._owner = owner
        self._status = owner.status
        self._parser = RequestParser()
        #: The request that is being read or answered.
        self._request: HttpRequest | None = None
        #: Bytes of its body that it has taken of the room for bodies, and under which name.
        self._reading = 0
        self._room = owner.status.small_room
        self._sender = ""
        self._bad_request: Answer | None = None
        self._eof = False
        self._stepping = False
        self._reading_paused = False
        #: Does the client leave its answers unread?
        self.stuck = False
        self.transport: asyncio.Transport | None = None
        self.peer = ""
        #: Header lines of the next answer.
        self.extra_headers = b""
        #: Has it had an answer?
        self.served = False
        self.state = ConnectionState.IDLE
        self.since = self._status.now

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or turn it away when there are too many."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]
        name = transport.get_extra_info("peername")
        self.peer = canonical(name[0]) if isinstance(name, tuple) else ""
        if not self._owner.opened(self):
            self._refuse(refusals.TOO_MANY)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget what was being read; a request that waits for Kafka goes on, unanswered."""
        self._forget_body()
        self.transport = None
        self._parser.requests.clear()
        self.state = ConnectionState.CLOSE
        self._owner.closed(self)

    def eof_received(self) -> bool:
        """A client that only closed its sending side still gets the answers it waits for."""
        self._eof = True
        requests = self._parser.requests
        if self.state == ConnectionState.BODY:
            self._refuse(refusals.CUT)
        return self.state == ConnectionState.ANSWER or (bool(requests) and requests[0].complete)

    def pause_writing(self) -> None:
        """The client does not read its answers: serve it no more until it does."""
        self.stuck = True
        self.since = self._status.now

    def resume_writing(self) -> None:
        """It reads again."""
        self.stuck = False
        self._step()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and serve what is complete."""
        if self.state == ConnectionState.CLOSE and self.transport is not None:
            self._status.throw_away(len(data), self.transport)
        if self.state == ConnectionState.CLOSE or self._bad_request is not None:
            return
        try:
            self._parser.feed(data)
        except BadRequest as error:
            self._bad_request = refusals.not_http(str(error), error.status)
        self._step()

    # Answering

    def answer(self, answer: Answer) -> None:
        """Send the answer to the request in hand, and go on with the next one."""
        self.send(opening(answer.status, answer.content_type), answer.body, answer.headers, close=answer.close)

    def send(self, start: bytes, body: bytes, headers: bytes = b"", *, close: bool = False) -> None:
        """`answer` for those in a hurry: `start` is what `opening` gave."""
        transport, request, status = self.transport, self._request, self._status
        if transport is None or self.state != ConnectionState.ANSWER or request is None:
            return
        if close or request.close or status.draining or (self._eof and self._is_last()):
            close = True
            headers += b"Connection: close\r\n"
        elif status.surplus > 0 and not self._parser.requests:
            status.surplus -= 1
            close = True
            headers += b"Connection: close\r\n"
        elif request.version == "1.0":
            headers += b"Connection: keep-alive\r\n"
        if self.extra_headers:
            headers += self.extra_headers
            self.extra_headers = b""
        if start.endswith(b": "):
            start = b"%s%d\r\n" % (start, len(body))
        if request.method == "HEAD":
            body = b""
        transport.write(b"".join((start, status.date, headers, b"\r\n", body)))
        self._request = None
        self.served = True
        self._enter(ConnectionState.IDLE)
        if close:
            self._linger()
        elif not self._stepping:
            self._step()

    def _is_last(self) -> bool:
        """Is there nothing more to be answered than the request in hand?"""
        return not self._parser.requests and self._bad_request is None

    def close(self) -> None:
        """Close now, whatever is in hand."""
        if self.transport is not None:
            self.transport.close()

    def give_way(self) -> None:
        """Close for the sake of another; at once in state CLOSE, so that nobody chooses it twice."""
        self._forget_body()
        self._enter(ConnectionState.CLOSE)
        self.close()

    def timed_out(self, what: str) -> None:
        """The client took too long for its headers or its body."""
        self._refuse(refusals.timed_out(what))

    # Reading

    def _enter(self, state: ConnectionState) -> None:
        self.state = state
        self.since = self._status.now

    def _step(self) -> None:
        """Serve complete requests until one has to wait."""
        if self._stepping:
            return
        self._stepping = True
        requests = self._parser.requests
        try:
            while self.state <= ConnectionState.BODY and not self.stuck:
                if not requests:
                    self._await_request()
                    break
                if not requests[0].complete:
                    self._receive(requests[0])
                    break
                self._serve(requests.popleft())
        finally:
            self._stepping = False
        self._pause_or_resume_reading()

    def _await_request(self) -> None:
        """Nothing is in hand: a part of a head may be, or what is no request."""
        if self._bad_request is not None:
            self._refuse(self._bad_request)
        elif self._eof:
            self.close()
        elif self.state == ConnectionState.IDLE and self._parser.in_head:
            self._enter(ConnectionState.HEADERS)

    def _serve(self, request: HttpRequest) -> None:
        self._forget_body()
        self._request = request
        self._enter(ConnectionState.ANSWER)
        if request.received > self._status.max_body:
            self._refuse(refusals.too_large(self._status.max_body))
        elif request.refusal is not None:
            self.extra_headers = self._owner.extra_headers(request)
            self.answer(request.refusal)
        else:
            self._owner.handle(self, request)

    def _receive(self, request: HttpRequest) -> None:
        """Count what has come of a body, within the limits for one and for all of them."""
        status = self._status
        self._request = request
        if self._bad_request is not None or self._eof:
            self._refuse(self._bad_request or refusals.CUT)
            return
        if self.state != ConnectionState.BODY:
            self._enter(ConnectionState.BODY)
            refusal = refusals.of_headers(request, status.max_body) or self._judge(request)
            if refusal is not None:
                self._refuse(refusal)
                return
            if self.transport is not None and "expect" in request.headers and request.version != "1.0":
                self.transport.write(_CONTINUE)
        if request.received > status.max_body:
            self._refuse(refusals.too_large(status.max_body))
        elif request.refusal is None:
            come = request.received - self._reading
            if not come or self._room.take(self._sender, come):
                self._reading += come
            else:
                self._refuse(refusals.BUSY)

    def _judge(self, request: HttpRequest) -> Answer | None:
        """Why the request is refused at once by its head; a short body comes to its end first."""
        try:
            sender = self._owner.admit(self, request)
        except HttpRefusal as refused:
            if not refusals.is_short(request):
                return refused.answer
            request.refuse(refused.answer)
        else:
            self._sender = sender.name
            self._room = self._status.room if sender.known else self._status.small_room
        return None

    def _forget_body(self) -> None:
        if self._reading:
            self._room.give_back(self._sender, self._reading)
            self._reading = 0

    def _pause_or_resume_reading(self) -> None:
        """Read no further while pipelined requests wait."""
        hold = self.stuck or (self.state == ConnectionState.ANSWER and bool(self._parser.requests))
        if hold != self._reading_paused and self.transport is not None and self.state != ConnectionState.CLOSE:
            self._reading_paused = hold
            if hold:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    # Ending

    def _refuse(self, answer: Answer) -> None:
        """Answer out of turn, and close."""
        transport, request = self.transport, self._request
        if transport is None or self.state == ConnectionState.CLOSE:
            return
        self._forget_body()
        start = opening(answer.status, answer.content_type)
        extra = b"" if request is None else self._owner.extra_headers(request)
        headers = self._status.date + answer.headers + extra + b"Connection: close\r\n\r\n"
        body = b"" if request is not None and request.method == "HEAD" else answer.body
        transport.write(b"%s%d\r\n%s%s" % (start, len(answer.body), headers, body))
        self._linger()

    def _linger(self) -> None:
        """Close in two steps, so that a client that is still sending can read the answer first."""
        self._enter(ConnectionState.CLOSE)
        self._parser.requests.clear()
        transport = self.transport
        if transport is None:
            return
        if self._reading_paused:
            self._reading_paused = False
            transport.resume_reading()
        if self._eof or not transport.can_write_eof():
            transport.close()
        else:
            transport.write_eof()
            self._status.throw_away(0, transport)
