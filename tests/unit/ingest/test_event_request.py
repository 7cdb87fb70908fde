"""What a request's headers say of its events."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from etld.config import load
from etld.ingest.event_request import RequestReader, is_ndjson
from etld.ingest.http.answers import HttpRefusal
from etld.ingest.http.request import HttpRequest
from etld.ingest.keys import Key
from etld.ingest.segment import SegmentMap
from etld.schemas.catalog import Catalog

ROOT = Path(__file__).resolve().parents[3]
SEGMENT = SegmentMap({}, Catalog({}))


def request(path: str = "/track", body: bytes = b"", **headers: str) -> HttpRequest:
    """A complete request; underscores in header names become dashes."""
    made = HttpRequest(
        "POST", path, "1.1", {name.replace("_", "-"): text for name, text in headers.items()}, close=False
    )
    made.add(body)
    made.finish()
    return made


def reader(**settings: Any) -> RequestReader:
    """With settings of [ingest]."""
    ingest = load(ROOT / "config" / "etld.toml", {}).ingest
    return RequestReader(ingest.model_copy(update=settings), SEGMENT)


def test_a_body_is_decoded_and_not_held_any_longer() -> None:
    for made in (request(body=b"{}"), request(body=gzip.compress(b"{}"), content_encoding="gzip")):
        assert reader().take_body(made) == b"{}"
        assert made.body == b""
    with pytest.raises(HttpRefusal):
        reader(max_body=10).take_body(request(body=gzip.compress(b"x" * 11), content_encoding="gzip"))


def test_the_durability_is_the_clients_choice_where_that_is_allowed() -> None:
    asked = request(x_etld_ack=" Leader ")
    assert reader(ack="all").ack(asked) == "all"
    assert reader(ack="all", ack_per_request=True).ack(asked) == "leader"
    assert reader(ack="enqueued", ack_per_request=True).ack(request()) == "enqueued"
    with pytest.raises(HttpRefusal):
        reader(ack_per_request=True).ack(request(x_etld_ack="some"))


def test_segments_spelling_is_known_below_v1() -> None:
    assert reader().origin(request("/v1/track"), None).segment is SEGMENT
    assert reader().origin(request("http://x/v1/track?a"), None).segment is SEGMENT
    assert reader().origin(request("/track"), None).segment is None


def test_an_idempotency_key_is_its_clients() -> None:
    asked = request(idempotency_key="order-1")
    assert reader().origin(asked, None).idempotency_key == "order-1"
    assert reader().origin(asked, Key("a", ())).idempotency_key == "order-1"
    assert reader().origin(asked, Key("a", (), client="shop")).idempotency_key == "shop\x1forder-1"
    assert reader().origin(request(idempotency_key="\udcff"), None).idempotency_key == "\\udcff"
    for bad in ("", "x" * 256):
        with pytest.raises(HttpRefusal):
            reader().origin(request(idempotency_key=bad), None)


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("application/x-ndjson", True),
        ("Application/JSONL; charset=utf-8", True),
        ("application/json", False),
        ("", False),
    ],
)
def test_an_event_a_line(kind: str, lines: bool) -> None:
    assert is_ndjson(request(content_type=kind)) == lines
