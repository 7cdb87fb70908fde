"""Bytes to requests, strictly by RFC 9112, on llhttp (through httptools).

What two parsers in a row may understand differently is refused, for that is how requests are smuggled past a
proxy: llhttp refuses a length together with a transfer coding, two lengths, folded or bare-LF lines, control
characters; this module refuses repeated fields of which there can be one, a missing Host, other versions than 1.0
and 1.1, other transfer codings than chunked, and what is too long. Trailers of a chunked body are dropped, its chunks'
extensions are skipped; both count.
"""

from __future__ import annotations

from collections import deque

import httptools

from etld.ingest.http.request import HttpRequest

MAX_HEADERS = 64
#: Bytes of a target, of a header's name, of its value.
MAX_LINE = 8190
#: Bytes of a head, beyond the packet that it began in.
MAX_HEAD = 32 << 10
#: Bytes of a body that are none of its content (sizes and extensions of chunks, trailers), beyond its first packet:
#: so many, and so many more for each byte of content.
MAX_FRAMING = 16 << 10
_FRAMING_A_BYTE = 8

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
    """What came is no request, or one past the limits; the message says why, `status` is the answer's."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


class RequestParser:
    """Takes the bytes of one connection; `requests` are those whose heads are complete, the oldest first.

    Only the last of them may still lack some of its body.
    """

    __slots__ = ("_come", "_headers", "_parser", "_repeated", "_target", "_unfinished", "requests")

    def __init__(self) -> None:
        self.requests: deque[HttpRequest] = deque()
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        #: None outside of a head.
        self._headers: dict[str, str] | None = None
        self._repeated: list[tuple[str, str]] = []
        #: What was unfinished after the last packet, a head or a request, and the bytes that have come of it since.
        self._unfinished: object = None
        self._come = 0

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
            raise (own if isinstance(own, BadRequest) else _refusal(str(error), data)) from None
        if self._headers is not None:
            self._count(self._headers, len(data), MAX_HEAD)
        elif self.requests and not self.requests[-1].complete:
            request = self.requests[-1]
            self._count(request, len(data), MAX_FRAMING + (1 + _FRAMING_A_BYTE) * request.received)

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

    def _count(self, unfinished: object, size: int, limit: int) -> None:
        """Refuse what goes on and on: lines without an end, which llhttp keeps, and chunks of nothing."""
        if unfinished is not self._unfinished:
            self._unfinished = unfinished
            # How much of the packet belongs to what came before it is not known.
            self._come = 0
        else:
            self._come += size
            if self._come > limit:
                what = _too_long() if self._headers is not None else "the body's chunks are more framing than content"
                raise BadRequest(what)

    # What httptools calls

    def on_message_begin(self) -> None:
        """A request's first byte came."""
        self._headers = {}
        self._target = b""

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
        if version != "1.1":
            _check_version(version, headers)
        elif "host" not in headers:
            raise BadRequest("the header Host is missing")
        if "transfer-encoding" in headers:
            _check_codings(headers["transfer-encoding"].lower())
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


def _refusal(reason: str, data: bytes) -> BadRequest:
    """What llhttp says of `data`, but for other protocols in plain words."""
    if reason.startswith("Pause on PRI"):
        return BadRequest("HTTP/2 is not spoken here: use HTTP/1.1", 505)
    if data.startswith(b"\x16\x03"):
        return BadRequest("this is TLS, and the port speaks HTTP without it")
    return BadRequest(reason)


def _check_version(version: str, headers: dict[str, str]) -> None:
    """Refuse any other than 1.1 and 1.0, which has no transfer codings (RFC 9112, section 6.1)."""
    if version != "1.0":
        raise BadRequest(f"HTTP/{version} is not spoken here: use HTTP/1.1", 505)
    if "transfer-encoding" in headers:
        raise BadRequest("a request of HTTP/1.0 has no Transfer-Encoding")


def _check_codings(codings: str) -> None:
    """Refuse any other than chunked, which has to be the last (RFC 9112, sections 6.1 and 6.3)."""
    *others, last = (coding.strip() for coding in codings.split(","))
    if last != "chunked" or "chunked" in others:
        raise BadRequest("the last transfer coding has to be chunked, and no other")
    if others:
        raise BadRequest(f"the transfer coding {others[0][:40]!r} is not taken, only chunked", 501)


def _too_long() -> str:
    return f"a line of the request's head is longer than {MAX_LINE} bytes, or all of it than {MAX_HEAD}"
