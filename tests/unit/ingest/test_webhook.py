"""The handshake of CloudEvents' web hooks: who asks, and what it is allowed."""

from __future__ import annotations

import pytest

from etld.ingest import webhook
from etld.ingest.http.request import HttpRequest


def asked(**headers: str) -> HttpRequest:
    """A question with these headers."""
    named = {f"webhook-request-{name}": value for name, value in headers.items()}
    return HttpRequest("OPTIONS", "/track", "1.1", named, close=False)


@pytest.mark.parametrize(
    ("origin", "named"),
    [
        ("eventgrid.azure.net", True),
        ("Event-Emitter.example.com.", True),
        ("localhost", True),
        ("*.example.com", True),
        ("", False),
        ("https://x.example", False),
        ("x.example:80", False),
        ("x y", False),
        ("x..example", False),
        ("caf\u00e9.example", False),
        ("a" * 300, False),
    ],
)
def test_who_asks_is_a_dns_name(origin: str, named: bool) -> None:
    assert webhook.origin_of(asked(origin=origin)) == (origin if named else None)


@pytest.mark.parametrize(
    ("rate", "wish", "allowed"),
    [
        (0, None, "*"),
        (0, "120", "*"),
        (5, None, "300"),
        (5, "120", "120"),
        (5, "1000", "300"),
        (5, "0", "300"),
        (5, "many", "300"),
        (5, "\u0661", "300"),
        (5, "9" * 5000, "300"),
        (0.001, None, "1"),
    ],
)
def test_the_allowed_rate(rate: float, wish: str | None, allowed: str) -> None:
    request = asked(origin="x.example", **({} if wish is None else {"rate": wish}))
    assert webhook.permission(request, "x.example", rate).decode().split("\r\n") == [
        "WebHook-Allowed-Origin: x.example",
        f"WebHook-Allowed-Rate: {allowed}",
        "",
    ]
