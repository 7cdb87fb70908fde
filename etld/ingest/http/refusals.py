"""What a connection answers by itself, before any handler has the request; each ends the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.ingest.http.answers import Answer, problem

if TYPE_CHECKING:
    from etld.ingest.http.request import HttpRequest

TOO_MANY = problem(503, "too_many_connections", "too many connections are open", retry_after=1)
BUSY = problem(503, "busy", "too many requests are being read", retry_after=1, close=True)
_EXPECTATION = problem(417, "expectation_failed", "only 100-continue can be expected", close=True)


def not_http(reason: str) -> Answer:
    """400 for bytes that are no request."""
    return problem(400, "bad_http", reason, close=True)


def timed_out(what: str) -> Answer:
    """408 for a client that took too long for its headers or its body."""
    return problem(408, "timeout", f"the {what} took too long", close=True)


def too_large(limit: int) -> Answer:
    """413 for a body of more than `limit` bytes."""
    return problem(413, "body_too_large", f"a body may have {limit} bytes", limit=limit, close=True)


def of_headers(request: HttpRequest, max_body: int) -> Answer | None:
    """Why the body that these headers announce need not come at all."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > max_body:
        return too_large(max_body)
    expect = request.headers.get("expect", "100-continue")
    return None if expect.lower() == "100-continue" else _EXPECTATION
