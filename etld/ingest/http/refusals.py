"""What a connection answers by itself, before any handler has the request; each ends the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.ingest.http.answers import Answer, opening, problem

if TYPE_CHECKING:
    from etld.ingest.http.request import HttpRequest

TOO_MANY = problem(503, "too_many_connections", "too many connections are open", retry_after=1)
BUSY = problem(503, "busy", "too many requests of this client are being read", retry_after=1, close=True)
CUT = problem(400, "bad_http", "the connection ended before the request's body did", close=True)
#: A body that is refused by its head is read to its end up to so many bytes, so that the connection can go on.
_WORTH_READING = 64 << 10
_HTTPS_ONLY = problem(400, "https_only", "this port speaks HTTPS: the address begins with https://", close=True)
#: The whole answer, not encrypted, to who speaks HTTP on a port of HTTPS.
NOT_TLS = b"%s%d\r\nConnection: close\r\n\r\n%s" % (
    opening(_HTTPS_ONLY.status, _HTTPS_ONLY.content_type),
    len(_HTTPS_ONLY.body),
    _HTTPS_ONLY.body,
)
_EXPECTATION = problem(417, "expectation_failed", "only 100-continue can be expected", close=True)


def not_http(reason: str, status: int = 400) -> Answer:
    """400 for bytes that are no request, 501 or 505 for one whose coding or version is not spoken."""
    return problem(status, "bad_http", reason, close=True)


def timed_out(what: str) -> Answer:
    """408 for a client that took too long for its headers or its body."""
    return problem(408, "timeout", f"the {what} took too long", close=True)


def too_large(limit: int) -> Answer:
    """413 for a body of more than `limit` bytes."""
    return problem(413, "body_too_large", f"a body may have {limit} bytes", limit=limit, close=True)


def is_short(request: HttpRequest) -> bool:
    """Is the body, which nobody wants, on its way already, and short enough to let it come?"""
    length = request.headers.get("content-length", "")
    return length.isdigit() and int(length) <= _WORTH_READING and "expect" not in request.headers


def of_headers(request: HttpRequest, max_body: int) -> Answer | None:
    """Why the body that these headers announce need not come at all."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > max_body:
        return too_large(max_body)
    expect = request.headers.get("expect", "100-continue")
    return None if expect.lower() == "100-continue" else _EXPECTATION
