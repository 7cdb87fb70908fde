"""The generated way and the exact way give the same bytes, and the generated one never says yes alone."""

from __future__ import annotations

import json
import time as clock
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etld.events.validate import Valid
from etld.schemas.checks import validator
from etld.serdes.avro.direct import compile_encoder
from etld.serdes.avro.varint import long, varint
from etld.serdes.formats import written
from support.event_types import event_type
from support.fuzzing import examples

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("payment_successful", "added_to_cart")


def avro(**details: Any) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads((ROOT / "schemas/purchase.avsc").read_text())
    raw["fields"][5]["type"]["fields"] += [
        {"name": "count", "type": "int"},
        {"name": "gift", "type": ["null", "boolean"], "default": None},
        {"name": "nested", "type": {"type": "record", "name": "N", "fields": [{"name": "a", "type": "long"}]}},
    ]
    return raw


RAW = avro()
KIND = event_type(RAW, event_names=NAMES, zone="Europe/Berlin")
EXACT = validator(KIND)
ENCODE = written().encoder(KIND.schema, 7)
FAST = compile_encoder(KIND)

texts = st.text(max_size=20) | st.sampled_from(["", "a\0b", "x" * 9000, "ü€😀"])
numbers = st.integers(-(2**70), 2**70) | st.integers(-10, 9000) | st.floats() | st.booleans() | st.none() | texts
times = st.sampled_from(
    ["2026-01-31T12:00:00Z", "2026-07-31T12:00:00", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59.123456+05:30", "x", 7]
) | st.floats(-1e12, 1e12)
events = st.fixed_dictionaries(
    {
        "event_id": st.uuids().map(str) | st.uuids().map(lambda made: str(made).upper()) | texts,
        "event_name": st.sampled_from([*NAMES, "other"]) | st.none() | st.lists(texts),
        "event_type": st.sampled_from(["purchase", "order"]),
        "triggered_at": times,
        "user_details": st.fixed_dictionaries(
            {"user_id": numbers}, optional={"name": texts | st.none(), "email": numbers, "extra": texts}
        ),
        "event_details": st.fixed_dictionaries(
            {
                "item_id": numbers,
                "item_name": texts,
                "price": numbers,
                "count": st.integers(-(2**33), 2**33),
                "nested": st.fixed_dictionaries({"a": st.integers()}) | st.none(),
            },
            optional={"gift": st.booleans() | st.none() | numbers},
        ),
    },
    optional={"extra": texts},
)


def good() -> dict[str, Any]:
    return {
        "event_id": "0192f0c0-1111-7222-8333-444455556666",
        "event_name": "added_to_cart",
        "event_type": "purchase",
        "triggered_at": "2026-07-31T12:00:00",
        "user_details": {"user_id": 7, "name": "Ada", "country": None},
        "event_details": {"item_id": 2**63 - 1, "item_name": "é", "price": 3, "count": -5, "nested": {"a": 1}},
    }


def fast(event: dict[str, Any]) -> bytes | None:
    assert FAST is not None
    try:
        return FAST(event)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def both(event: dict[str, Any]) -> tuple[bytes | None, bytes | None]:
    verdict = EXACT.validate(event)
    return fast(event), ENCODE(verdict.event) if isinstance(verdict, Valid) else None


def test_a_plain_event_goes_the_short_way() -> None:
    quick, exact = both(good())
    assert quick is not None
    assert quick == exact


@settings(max_examples=examples(50))
@given(events)
def test_any_event(event: dict[str, Any]) -> None:
    quick, exact = both(event)
    assert quick is None or quick == exact


@settings(max_examples=examples(50))
@given(st.data())
def test_one_change_of_a_good_event(data: st.DataObject) -> None:
    event, other = good(), data.draw(events)
    part = data.draw(st.sampled_from(sorted(event)))
    if isinstance(event[part], dict) and data.draw(st.booleans()):
        inner = data.draw(st.sampled_from(sorted(other[part])))
        event[part][inner] = other[part][inner]
    else:
        event[part] = other[part]
    quick, exact = both(event)
    assert quick is None or quick == exact


@pytest.mark.parametrize(("age", "ahead"), [(60, 0), (0, 60), (60, 60)])
def test_a_window_of_time_goes_the_short_way(age: float, ahead: float) -> None:
    kind = event_type(RAW, event_names=NAMES, max_age=age, max_ahead=ahead)
    exact = validator(kind)
    short = compile_encoder(kind)
    assert short is not None
    for seconds in (-90, -30, 0, 30, 90):
        event = {**good(), "triggered_at": clock.time() + seconds}
        taken = isinstance(exact.validate(event), Valid)
        assert taken == (-(age or 100) < seconds < (ahead or 100))
        assert (short(event) is not None) == taken


@given(st.integers(-(2**63), 2**63 - 1) | st.integers(2**46, 2**57) | st.integers(-9000, 2_000_000))
def test_numbers(value: int) -> None:
    assert long(value) == varint(value)


@pytest.mark.parametrize("kind", [{"type": "array", "items": "long"}, "float", {"type": "int", "logicalType": "date"}])
def test_rarer_types_go_the_exact_way(kind: Any) -> None:
    raw = avro()
    raw["fields"][5]["type"]["fields"].append({"name": "more", "type": kind})
    assert compile_encoder(event_type(raw, event_names=NAMES)) is None
