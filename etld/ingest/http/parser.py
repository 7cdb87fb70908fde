"""Bytes to requests, strictly by RFC 9112, on llhttp (through httptools).

What two parsers in a row may understand differently is refused, for that is how requests are smuggled past a
proxy: llhttp refuses a length together with a transfer coding, two lengths, folded or bare-LF lines, control
characters; this module refuses repeated fields of which there can be one, a missing Host, and what is too long.
Trailers of a chunked body are dropped.
"""

from __future__ import annotations

from collections import deque

import httptools

from etld.ingest.http.request import HttpRequest

MAX_HEADERS = 64
#: Bytes of a target, of a header's name, of its value.
MAX_LINE = 8190
#: Bytes that may come without anything becoming complete by them: a longer part of a head is not worth the wait.
_MAX_SILENT = 2 * MAX_LINE

#: What has come of a request at its beginning: headers, and bytes of the target.
_NOTHING = (0, 0)

#: Names as most clients spell them: to look one up is cheaper than to make it.
_COMMON = {
    name.encode(): name.lower()
    for name in (
        "Accept",
        "Accept-Encoding",
        "Authorization",
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
        "Host",
        "Idempotency-Key",
        "User-Agent",
        "X-Write-Key",
    )
}
_SINGLE = frozenset(
    {
        "content-length",
        "content-location",
        "content-range",
        "content-type",
        "etag",
        "host",
        "max-forwards",
        "server",
        "transfer-encoding",
        "user-agent",
    }
)


class BadRequest(Exception):
    """What came is no request, or one past the limits; the message says why."""


class RequestParser:
    """Takes the bytes of one connection; `requests` are those whose heads are complete, the oldest first.

    Only the last of them may still lack some of its body.
    """

    __slots__ = ("_headers", "_parser", "_progress", "_repeated", "_silent", "_target", "requests")

    def __init__(self) -> None:
        self.requests: deque[HttpRequest] = deque()
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        #: None outside of a head.
        self._headers: dict[str, str] | None = None
        self._repeated: list[tuple[str, str]] = []
        self._progress = _NOTHING
        self._silent = 0

    @property
    def in_head(self) -> bool:
        """Has a part of a request's head come, and not all of it?"""
        return self._headers is not None

    def feed(self, data: bytes) -> None:
        """Take what came; raises `BadRequest`, after which this parser takes nothing more."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._stay_with_http(data[int(upgrade.args[0]) :])
        except httptools.HttpParserError as error:
            own = error.__context__
            raise BadRequest(str(own if isinstance(own, BadRequest) else error)) from None
        if self._headers is not None or (self.requests and not self.requests[-1].complete):
            self._check_progress(len(data))

    def _stay_with_http(self, rest: bytes) -> None:
        """No other protocol is offered: the request is read again without its wish for one (RFC 9110, 7.8)."""
        request = self.requests[-1]
        if request.method == "CONNECT":
            request.close = True
            return
        self.requests.pop()
        del request.headers["upgrade"]
        fields = [*request.headers.items(), *request.repeated]
        lines = [f"{request.method} {request.target} HTTP/{request.version}", *(f"{n}: {v}" for n, v in fields)]
        head = "\r\n".join([*lines, "\r\n"]).encode("utf-8", "surrogateescape")
        self._parser = httptools.HttpRequestParser(self)
        self.feed(head + rest)

    def _check_progress(self, size: int) -> None:
        """Refuse a line without an end: llhttp keeps what has come of it."""
        if self._headers is not None:
            progress = (len(self._headers) + len(self._repeated), len(self._target))
        else:
            progress = (-1, self.requests[-1].received)
        if progress != self._progress:
            self._progress = progress
            self._silent = 0
        else:
            self._silent += size
            if self._silent > _MAX_SILENT:
                raise BadRequest(_too_long())

    # What httptools calls

    def on_message_begin(self) -> None:
        """A request's first byte came."""
        self._headers = {}
        self._target = b""
        # What was long in coming of an earlier request says nothing of this one.
        self._silent = 0
        self._progress = _NOTHING

    def on_url(self, piece: bytes) -> None:
        """A piece of the target."""
        self._target += piece
        if len(self._target) > MAX_LINE:
            raise BadRequest(_too_long())

    def on_header(self, raw_name: bytes, raw_value: bytes) -> None:
        """One field of the head, or a trailer behind the body."""
        headers = self._headers
        if headers is None:
            return
        if len(raw_name) > MAX_LINE or len(raw_value) > MAX_LINE:
            raise BadRequest(_too_long())
        name = _COMMON.get(raw_name) or raw_name.lower().decode("latin-1")
        value = raw_value.rstrip(b" \t").decode("utf-8", "surrogateescape")
        if name not in headers:
            headers[name] = value
        elif name in _SINGLE:
            raise BadRequest(f"the header {name} comes twice")
        else:
            self._repeated.append((name, value))
        if len(headers) > MAX_HEADERS or (self._repeated and len(headers) + len(self._repeated) > MAX_HEADERS):
            raise BadRequest(f"a request may have {MAX_HEADERS} headers")

    def on_headers_complete(self) -> None:
        """The head is complete."""
        parser, headers = self._parser, self._headers
        assert headers is not None
        version = parser.get_http_version()
        if version == "1.1" and "host" not in headers:
            raise BadRequest("the header Host is missing")
        request = HttpRequest(
            parser.get_method().decode("latin-1"),
            self._target.decode("latin-1"),
            version,
            headers,
            not parser.should_keep_alive(),
        )
        if self._repeated:
            request.repeated = self._repeated
            self._repeated = []
        self._headers = None
        self.requests.append(request)

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        self.requests[-1].add(piece)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self.requests[-1].finish()


def _too_long() -> str:
    return f"a line of the request's head is longer than {MAX_LINE} bytes"
