"""May a sender of web hooks send here? It asks by OPTIONS before it does, so that nobody can point it at others.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#4-abuse-protection

The URL that it offers for an answer later (WebHook-Request-Callback) is never called.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etld.ingest.http.request import HttpRequest

_DNS_NAME = re.compile(r"[A-Za-z0-9*_-]+(\.[A-Za-z0-9_-]+)*\.?", re.ASCII)
_LONGEST_NAME = 253


def origin_of(request: HttpRequest) -> str | None:
    """The DNS name of who asks; None when this is no such question, or no such name."""
    origin = request.headers.get("webhook-request-origin", "")
    return origin if len(origin) <= _LONGEST_NAME and _DNS_NAME.fullmatch(origin) else None


def permission(request: HttpRequest, origin: str, rate: float) -> bytes:
    """The headers that allow it: as many requests a minute as are asked for, `rate` a second at most (0: no limit)."""
    allowed = int(rate * 60)
    asked = request.headers.get("webhook-request-rate", "")
    if rate and asked.isascii() and asked.isdigit() and int(asked[:18]):
        allowed = min(allowed, int(asked[:18]))
    number = str(max(1, allowed)) if rate else "*"
    return f"WebHook-Allowed-Origin: {origin}\r\nWebHook-Allowed-Rate: {number}\r\n".encode()
