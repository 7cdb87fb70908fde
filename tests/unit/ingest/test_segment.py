"""Segment's spelling becomes etld's."""

from __future__ import annotations

import time
from typing import Any

from etld.ingest.segment import SegmentMap, event_id_of
from etld.schemas.catalog import Catalog
from support.event_types import event_type


def _catalog() -> Catalog:
    user = {"type": "record", "name": "U", "fields": [{"name": "user_id", "type": "long"}]}
    details = {"type": "record", "name": "E", "fields": [{"name": "sku", "type": "string"}]}
    fields = [{"name": "user_details", "type": user}, {"name": "event_details", "type": details}]
    avro = {"type": "record", "name": "Event", "fields": fields}
    return Catalog({"purchase": event_type(avro, event_names=("bought",))})


MAPPING = {
    "event_id": "messageId",
    "event_name": "event",
    "event_type": "properties.event_type",
    "triggered_at": "timestamp",
    "user_details.user_id": "userId",
    "user_details.email": "context.traits.email",
    "event_details": "properties",
}


def test_segments_spelling() -> None:
    segment = SegmentMap(MAPPING, _catalog())
    call = {
        "messageId": "m-1",
        "type": "track",
        "event": "bought",
        "userId": "7",
        "timestamp": "2026-01-31T12:00:00Z",
        "context": {"traits": {"email": "a@example.com"}, "library": {"name": "x"}},
        "integrations": {},
        "properties": {"sku": "5", "event_type": "purchase"},
    }
    assert segment.applies(call)
    for around in ("event", "properties"):
        assert not segment.applies({around: {"event_name": "added_to_cart", "event_type": "purchase"}})
    assert segment.rewrite(call) == {
        "event_id": event_id_of("m-1"),
        "event_name": "bought",
        "event_type": "purchase",
        "triggered_at": "2026-01-31T12:00:00Z",
        "user_details": {"user_id": 7, "email": "a@example.com"},
        "event_details": {"sku": "5"},
    }
    del call["properties"]["event_type"]  # type: ignore[attr-defined]
    assert segment.rewrite(call)["event_type"] == "purchase"
    assert segment.rewrite({**call, "userId": "007"})["user_details"]["user_id"] == "007"
    assert segment.rewrite({"type": "identify", "userId": "7"})["type"] == "identify"
    assert not segment.applies({"event_name": "bought", "properties": {}})


def test_the_first_source_that_is_there_counts() -> None:
    segment = SegmentMap({"event_name": "event", "triggered_at": "timestamp | sentAt | receivedAt"}, _catalog())
    call = {"event": "bought", "timestamp": None, "sentAt": "2026-01-31T12:00:00Z", "receivedAt": "never"}
    assert segment.rewrite(call)["triggered_at"] == "2026-01-31T12:00:00Z"
    del call["sentAt"]
    assert abs(segment.rewrite(call)["triggered_at"] - time.time()) < 60


def test_a_batch_says_once_what_holds_for_each_call() -> None:
    segment = SegmentMap(MAPPING, _catalog())
    own = {"event": "bought", "context": {"ip": "1"}, "sentAt": "2"}
    odd = {"event": "bought", "context": 5}
    native = {"event_name": "bought"}
    calls: list[Any] = [own, odd, native, 7, {"event": "bought"}]
    segment.share({"batch": calls, "context": {"ip": "0", "locale": "en"}, "sentAt": "1"}, calls)
    shared = {"event": "bought", "context": {"ip": "0", "locale": "en"}, "sentAt": "1"}
    assert calls == [
        {"event": "bought", "context": {"ip": "1", "locale": "en"}, "sentAt": "2"},
        {"event": "bought", "context": 5, "sentAt": "1"},
        {"event_name": "bought"},
        7,
        shared,
    ]
