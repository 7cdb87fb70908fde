"""One HTTP/1.1 connection, on aiohttp's C parser and without a task or a future a request.

A request is handed to the server as soon as its body is complete, in the very call that read it, and its
answer is one write. Whoever holds a request answers it once, now or later, by `Connection.answer`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser

from etld.ingest.http import refusals
from etld.ingest.http.answers import Answer, opening
from etld.ingest.http.host import State
from etld.ingest.http.upload import Upload

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader

    from etld.ingest.http.host import Host

MAX_HEADERS = 64
MAX_LINE = 8190
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(asyncio.Protocol):
    """Reads requests one after the other; pipelined ones wait for the answer before them."""

    __slots__ = (
        "_broken",
        "_eof",
        "_head_only",
        "_host",
        "_keep_alive",
        "_message",
        "_parser",
        "_queue",
        "_reading_paused",
        "_stepping",
        "_upload",
        "_write_paused",
        "extra",
        "peer",
        "served",
        "since",
        "state",
        "transport",
    )

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        # A generous limit: this class empties the reader after each piece, so it never has to pause.
        self._parser = HttpRequestParser(
            cast("Any", self),  # it asks for no more of a protocol than is defined below
            loop,
            max(host.max_body, 1 << 20),
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_HEADERS,
            auto_decompress=False,
        )
        self._queue: deque[tuple[RawRequestMessage, StreamReader]] = deque()
        self._message: RawRequestMessage | None = None
        self._upload: Upload | None = None
        self._broken: Answer | None = None
        self._keep_alive = True
        self._head_only = False
        self._eof = False
        self._stepping = False
        self._write_paused = False
        self._reading_paused = False
        self.transport: asyncio.Transport | None = None
        self.peer = ""
        self.extra = b""
        self.served = False
        self.state = State.IDLE
        self.since = host.now

    # What aiohttp's StreamReader asks of its protocol.

    @property
    def connected(self) -> bool:
        """Is the other side still there?"""
        return self.transport is not None

    def pause_reading(self) -> None:
        """Nothing: `_step` empties the reader after each piece of data."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Nothing, see `pause_reading`."""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or turn it away when there are too many."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]
        name = transport.get_extra_info("peername")
        self.peer = name[0] if isinstance(name, tuple) else ""
        if not self._host.opened(self):
            self._refuse(refusals.TOO_MANY)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget what was being read; a request that waits for Kafka goes on, unanswered."""
        self._forget_body()
        self.transport = None
        self._queue.clear()
        self.state = State.CLOSE
        self._host.closed(self)

    def eof_received(self) -> bool:
        """A client that only closed its sending side still gets the answers it waits for."""
        self._eof = True
        return self.state == State.ANSWER or bool(self._queue)

    def pause_writing(self) -> None:
        """The client does not read its answers: serve it no more until it does."""
        self._write_paused = True
        self.since = self._host.now

    def resume_writing(self) -> None:
        """It reads again."""
        self._write_paused = False
        self._step()

    @property
    def stuck(self) -> bool:
        """Does the client leave its answers unread?"""
        return self._write_paused

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and serve what is complete."""
        state = self.state
        if state == State.CLOSE:
            return
        if state == State.IDLE:
            self.state = State.HEADERS
            self.since = self._host.now
        try:
            messages, upgraded, _ = self._parser.feed_data(data)
        except HttpProcessingError as error:
            self._fail(refusals.not_http(error.message))
            return
        except (ValueError, UnicodeError, AssertionError, RuntimeError):
            self._fail(refusals.not_http())
            return
        if messages:
            self._queue.extend(messages)
            if upgraded:
                # No protocol is offered besides HTTP: what follows is not parsed.
                self._keep_alive = False
        self._step()

    # Serving

    def answer(self, answer: Answer) -> None:
        """Send the answer to the request in hand, and go on with the next one."""
        self.send(
            opening(answer.status, answer.content_type),
            answer.body,
            answer.headers,
            answer.close,
        )

    def send(self, start: bytes, body: bytes, headers: bytes = b"", close: bool = False) -> None:
        """`answer` for those in a hurry: `start` is what `opening` gave."""
        transport = self.transport
        message = self._message
        if transport is None or self.state != State.ANSWER or message is None:
            return
        host = self._host
        if close or host.draining or not self._keep_alive or message.should_close or self._eof:
            close = True
            headers += b"Connection: close\r\n"
        elif host.surplus > 0 and not self._queue:
            host.surplus -= 1
            close = True
            headers += b"Connection: close\r\n"
        elif message.version.minor == 0:
            headers += b"Connection: keep-alive\r\n"
        if self.extra:
            headers += self.extra
            self.extra = b""
        if start.endswith(b": "):
            start = b"%s%d\r\n" % (start, len(body))
        if self._head_only:
            body = b""
        transport.write(b"".join((start, host.date, headers, b"\r\n", body)))
        self._message = None
        self._head_only = False
        self.served = True
        self.state = State.IDLE
        self.since = host.now
        if close:
            self._linger()
        elif self._broken is not None:
            self._refuse(self._broken)
        elif not self._stepping and (self._queue or self._reading_paused):
            self._step()

    def close(self) -> None:
        """Close now, whatever is in hand."""
        if self.transport is not None:
            self.transport.close()

    def give_way(self) -> None:
        """Close for the sake of another; at once in state CLOSE, so that nobody chooses it twice."""
        self._forget_body()
        self.state = State.CLOSE
        self.since = self._host.now
        self.close()

    def begun(self) -> bool:
        """Came a part of the next request's headers together with the last request?

        Only the parser knows, and tells it when told that no more will come; so if it did, the connection has to end.
        """
        if self._write_paused or self._queue:
            return False
        try:
            return self._parser.feed_eof() is not None
        except (HttpProcessingError, ValueError, UnicodeError, AssertionError, RuntimeError, TypeError):
            return True

    def timed_out(self, what: str) -> None:
        """The client took too long for its headers or its body."""
        self._refuse(refusals.timed_out(what))

    def _step(self) -> None:
        """Serve complete requests until one has to wait."""
        if self._stepping:
            return
        self._stepping = True
        try:
            while self.state <= State.BODY and not self._write_paused:
                if self._upload is None:
                    if not self._queue:
                        break
                    self._begin(*self._queue.popleft())
                elif not self._read_body():
                    break
        finally:
            self._stepping = False
        self._flow()

    def _flow(self) -> None:
        """Read no further while pipelined requests wait."""
        hold = bool(self._queue) or self._write_paused
        if hold != self._reading_paused and self.transport is not None and self.state != State.CLOSE:
            self._reading_paused = hold
            if hold:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _begin(self, message: RawRequestMessage, payload: StreamReader) -> None:
        host = self._host
        self._message = message
        self._head_only = message.method == "HEAD"
        if payload.is_eof() and payload.exception() is None:
            body = payload.read_nowait(-1)
            self.state = State.ANSWER
            self.since = host.now
            if len(body) > host.max_body:
                self._refuse(refusals.too_large(host.max_body))
            else:
                host.handle(self, message, body)
            return
        self.state = State.BODY
        self.since = host.now
        self._upload = Upload(host, payload)
        refusal = refusals.of_headers(message, host.max_body)
        if refusal is not None:
            self._refuse(refusal)
        elif self.transport is not None and "Expect" in message.headers and message.version.minor:
            self.transport.write(_CONTINUE)

    def _read_body(self) -> bool:
        """Take what has come of the body; False when more has to come, or none will."""
        upload, message, host = self._upload, self._message, self._host
        assert upload is not None and message is not None
        body = upload.take()
        if body is None:
            return False
        if not isinstance(body, bytes):
            self._refuse(body)
            return False
        self._forget_body()
        self.state = State.ANSWER
        self.since = host.now
        host.handle(self, message, body)
        return True

    def _forget_body(self) -> None:
        if self._upload is not None:
            self._upload.close()
            self._upload = None

    def _fail(self, answer: Answer) -> None:
        """What came is not HTTP: say so after the answers that are still owed."""
        if self.state == State.ANSWER:
            self._broken = answer
            self._queue.clear()
        else:
            self._refuse(answer)

    def _refuse(self, answer: Answer) -> None:
        """Answer out of turn, and close."""
        transport = self.transport
        if transport is None or self.state == State.CLOSE:
            return
        self._forget_body()
        start = opening(answer.status, answer.content_type)
        message = self._message
        extra = b"" if message is None else self._host.origin(message)
        headers = self._host.date + answer.headers + extra + b"Connection: close\r\n\r\n"
        body = b"" if self._head_only else answer.body
        transport.write(b"%s%d\r\n%s%s" % (start, len(answer.body), headers, body))
        self._linger()

    def _linger(self) -> None:
        """Close in two steps, so that a client that is still sending can read the answer first."""
        self.state = State.CLOSE
        self.since = self._host.now
        self._queue.clear()
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
