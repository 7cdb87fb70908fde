"""Keys, buckets, strict JSON, Segment's spelling, codings, the admission: without a socket."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etld.config import load
from etld.errors import ConfigError
from etld.ingest import keys, openapi, strict_json
from etld.ingest.admission import Admission
from etld.ingest.http import content_encoding
from etld.ingest.http.answers import HttpRefusal, problem
from etld.ingest.http.proxies import Proxies
from etld.ingest.http.request import HttpRequest
from etld.ingest.rate_limits import RateLimits, share
from etld.ingest.segment import SegmentMap, event_id_of
from etld.schemas.catalog import Catalog
from etld.util.token_bucket import TokenBucket
from support.event_types import event_type

ROOT = Path(__file__).resolve().parents[3]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_bucket_holds_its_rate_over_time() -> None:
    bucket, taken = TokenBucket(10, 10, 0.0), 0
    for step in range(1000):
        if not bucket.take(1, step / 100):
            taken += 1
    assert 100 <= taken <= 111


def test_a_large_batch_passes_and_is_paid_off() -> None:
    bucket = TokenBucket(10, 10, 0.0)
    assert bucket.take(100, 0.0) == 0.0
    assert bucket.take(1, 0.0) == pytest.approx(9.1)
    assert bucket.take(1, 9.2) == 0.0


def test_buckets_are_bounded_and_shared() -> None:
    buckets = RateLimits(1, most=3)
    for name in "abcde":
        assert buckets.take(name, 1, 0.0) == 0.0
    assert len(buckets) == 3
    assert buckets.take("e", 1, 0.0) > 0
    assert (share(100, 4), share(0, 4)) == (25, 0)
    assert RateLimits(0).take("a", 10**9, 0.0) == 0.0


def test_keys_are_found_by_their_hash_until_they_expire(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(f'[old]\nsha256="{digest("a")}"\nexpires=2026-01-01\n[new]\nsha256="{digest("b")}"\nrate=3\n')
    ring = keys.load(path, ["purchase"])
    expiry = 1767225600.0
    assert [key and key.name for key in (ring.find("a", expiry - 1), ring.find("a", expiry))] == ["old", None]
    assert (found := ring.find("b", expiry)) is not None
    assert found.rate == 3
    assert ring.find("c", 0) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1", "not a table"),
        ("[a]", "64 hex digits"),
        (f'[a]\nsha256=["{digest("a")}", "b"]', "64 hex digits"),
        ("[a]\nsha256=[]", "64 hex digits"),
        (f'[a]\nsha256="{digest("a")}"\nrat=1', "unknown field 'rat'"),
        (f'[a]\nsha256="{digest("a")}"\nclient=""', "client: expected a name"),
        (f'[a]\nsha256="{digest("a")}"\nevent_types=["parcel"]', "no event type 'parcel'"),
        (f'[a]\nsha256="{digest("a")}"\n[b]\nsha256="{digest("a")}"', "one key, one table"),
        ("[a", "is not TOML"),
    ],
)
def test_mistakes_in_the_key_file_are_named(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=expected):
        keys.load(path, ["purchase"])
    with pytest.raises(ConfigError, match="cannot be read"):
        keys.load(tmp_path / "none.toml", [])


def test_where_a_key_may_stand() -> None:
    basic = base64.b64encode(b"k1:").decode()
    for headers in ({"x-write-key": "k1"}, {"authorization": "bearer k1"}, {"authorization": f"Basic {basic}"}):
        assert keys.presented(headers) == "k1"
    for headers in ({}, {"authorization": "Basic ???"}, {"authorization": "Digest k1"}):
        assert keys.presented(headers) is None


def test_rates_are_shared_among_the_processes_there_are() -> None:
    config = load(ROOT / "config" / "etld.toml", {"ETLD_INGEST__RATE_PER_ADDRESS": "12", "ETLD_INGEST__WORKERS": "2"})
    admission = Admission(config)
    request = HttpRequest("POST", "/track", "1.1", {}, close=False)

    def passes(address: str) -> int:
        for count in range(100):
            try:
                admission.charge_address(address, request, 0.0)
            except HttpRefusal:
                return count
        return 100

    assert passes("192.0.2.1") == 6
    admission.set_processes(4)
    assert passes("192.0.2.1") == 3
    admission.set_processes(1)
    assert passes("192.0.2.1") == 6


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("10.0.0.9", "203.0.113.5", "203.0.113.5"),
        ("10.0.0.9", "1.2.3.4, 203.0.113.5, 10.1.1.1", "203.0.113.5"),
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("10.0.0.9", "", "10.0.0.9"),
        ("10.0.0.9", "1.2.3.4, unknown", "10.0.0.9"),
        ("10.0.0.9", "10.0.0.1", "10.0.0.9"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("", "1.2.3.4", ""),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str, forwarded: str, expected: str) -> None:
    assert Proxies(("10.0.0.0/8", "::1")).client(peer, forwarded) == expected


def test_proxies_are_networks() -> None:
    with pytest.raises(ConfigError, match="got 'proxy'"):
        Proxies(("10.0.0.1", "proxy"))
    assert not Proxies(())


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values, st.booleans(), st.sampled_from([None, 2]))
def test_every_json_text_passes(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    assert strict_json.parse(text, 100) == value


@given(st.dictionaries(st.text(), json_values, min_size=1, max_size=4), st.data())
def test_a_repeated_key_is_found(value: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(value)))
    again = json.dumps({key: data.draw(json_values)})[1:]
    text = f'{{"outer": [{json.dumps(value)[:-1]}, {again}]}}'.encode()
    with pytest.raises(strict_json.NotJson, match="twice"):
        strict_json.parse(text, 100)


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b'{"a": Infinity}', b'"\xff"', b'"\\ud800"', b"1,", b"[1]]"])
def test_what_is_no_json(text: bytes) -> None:
    with pytest.raises(strict_json.NotJson):
        strict_json.parse(text, 32)


def test_depth() -> None:
    assert strict_json.parse(b"[" * 5 + b"]" * 5, 5)
    with pytest.raises(strict_json.NotJson, match="deep"):
        strict_json.parse(b'{"a":' * 6 + b"1" + b"}" * 6, 5)


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


def test_problems_say_how_long_to_wait() -> None:
    answer = problem(429, "slow", "too fast", retry_after=0.2)
    assert b"Retry-After: 1\r\n" in answer.headers
    assert json.loads(answer.body)["title"] == "Too Many Requests"


def test_two_codings_at_most() -> None:
    with pytest.raises(HttpRefusal) as caught:
        content_encoding.decoded(b"", "gzip, gzip, gzip", 10)
    assert caught.value.answer.status == 415
    assert b"at most two" in caught.value.answer.body


def test_the_document_of_the_paths_is_json() -> None:
    assert json.loads(json.dumps(openapi.document({}, ["/track", "/healthz"])))["openapi"] == "3.1.0"
