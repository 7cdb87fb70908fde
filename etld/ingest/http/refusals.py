"""What a connection answers by itself, before any handler has the request; each ends the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.ingest.http.answers import Answer, problem

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage

TOO_MANY = problem(503, "too_many_connections", "too many connections are open", retry_after=1)
BUSY = problem(503, "busy", "too many requests are being read", retry_after=1, close=True)
BAD_CODING = problem(400, "bad_http", "the body's transfer coding is broken", close=True)
_EXPECTATION = problem(417, "expectation_failed", "only 100-continue can be expected", close=True)


def not_http(message: Any = "") -> Answer:
    """400 for bytes that are no request."""
    return problem(400, "bad_http", " ".join(str(message).split())[:200] or "not HTTP/1.1", close=True)


def timed_out(what: str) -> Answer:
    """408 for a client that took too long for its headers or its body."""
    return problem(408, "timeout", f"the {what} took too long", close=True)


def too_large(limit: int) -> Answer:
    """413 for a body of more than `limit` bytes."""
    return problem(413, "body_too_large", f"a body may have {limit} bytes", limit=limit, close=True)


def of_headers(message: RawRequestMessage, max_body: int) -> Answer | None:
    """Why the body that these headers announce need not come at all."""
    length = message.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > max_body:
        return too_large(max_body)
    expect = message.headers.get("Expect", "100-continue")
    return None if expect.lower() == "100-continue" else _EXPECTATION
