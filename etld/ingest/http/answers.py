"""HTTP answers as bytes: the status line, the headers, JSON and problem documents (RFC 9457)."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formatdate
from functools import cache
from http import HTTPStatus
from typing import Any

import orjson

from etld.explain import code_of

JSON = b"application/json"
PROBLEM = b"application/problem+json"
TEXT = b"text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `headers` is finished header lines, `close` ends the connection after it."""

    status: int
    body: bytes = b""
    content_type: bytes = JSON
    headers: bytes = b""
    close: bool = False


class HttpRefusal(Exception):
    """The request is not served; `answer` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@cache
def opening(status: int, content_type: bytes) -> bytes:
    """Everything up to the length of the body."""
    line = b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())
    if status in (204, 304):
        return line
    return line + b"Content-Type: " + content_type + b"\r\nX-Content-Type-Options: nosniff\r\nContent-Length: "


def date_header(now: float) -> bytes:
    """The Date header of RFC 9110; `now` in seconds since the epoch."""
    return b"Date: " + formatdate(now, usegmt=True).encode() + b"\r\n"


def json_answer(status: int, document: Any, headers: bytes = b"") -> Answer:
    """An ordinary JSON answer."""
    return Answer(status, orjson.dumps(document), JSON, headers)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    retry_after: float | None = None,
    headers: bytes = b"",
    close: bool = False,
    **members: Any,
) -> Answer:
    """An RFC 9457 problem document; `code` is for programs, `detail` for people, who ask `etld explain` for more.

    `message` says the same as `detail`: it is what Segment's libraries show. `retry_after` is in seconds, rounded
    up to a whole one in the header.
    """
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "message": detail,
        "explain": code_of("http", code),
        **members,
    }
    if retry_after is not None:
        headers += b"Retry-After: %d\r\n" % max(1, int(-(-retry_after // 1)))
    return Answer(status, orjson.dumps(document, default=str), PROBLEM, headers, close)
