"""What ingest accepts, and what it says when it does not."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from etld.events.union import BranchValue
from etld.events.validate import Invalid, Valid, Validator
from etld.events.violation import Violation
from support.event_types import validator

_SCHEMAS = Path(__file__).parents[3] / "schemas"
_ID = "0190b5a4-7e1c-7c3a-9d4e-5f6a7b8c9d0e"


def _schema(name: str = "purchase") -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((_SCHEMAS / f"{name}.avsc").read_text())
    return schema


def _event(**changes: Any) -> dict[str, Any]:
    return {
        "event_id": _ID,
        "event_name": "added_to_cart",
        "event_type": "purchase",
        "triggered_at": "2025-01-31T12:00:00Z",
        "user_details": {"user_id": 7},
        "event_details": {"item_id": 1, "item_name": "lamp", "price": 9.5},
    } | changes


def _details(**changes: Any) -> dict[str, Any]:
    return _event(event_details={"item_id": 1, "item_name": "lamp", "price": 9.5} | changes)


VALIDATOR = validator(_schema(), event_names=("added_to_cart", "payment_successful"))


def _valid(event: Any, validator: Validator = VALIDATOR) -> dict[str, Any]:
    result = validator.validate(event)
    assert isinstance(result, Valid), result
    return result.event


def _errors(event: Any, validator: Validator = VALIDATOR) -> dict[str, Violation]:
    result = validator.validate(event)
    assert isinstance(result, Invalid)
    return {error.path: error for error in result.errors}


def _typed(kind: Any, **settings: Any) -> Validator:
    schema = _schema()
    schema["fields"][5]["type"]["fields"] = [{"name": "x", "type": kind}]
    return validator(schema, **settings)


def test_fields_in_order_defaults_filled_in() -> None:
    """What Avro needs is there, in the schema's order."""
    event = _valid(dict(reversed(_event().items())))
    assert list(event) == ["event_id", "event_name", "event_type", "triggered_at", "user_details", "event_details"]
    assert event["user_details"] == {"user_id": 7, "name": None, "email": None, "country": None, "anonymous_id": None}
    assert event["triggered_at"] == 1_738_324_800_000_000


def test_an_event_without_an_id_gets_one() -> None:
    """A UUIDv7, and another one each time."""
    event = _event()
    del event["event_id"]
    first, second = _valid(event)["event_id"], _valid(event)["event_id"]
    assert first[14] == second[14] == "7"
    assert first != second


def test_ids_become_lower_case() -> None:
    """The key of the record is the canonical form."""
    assert _valid(_event(event_id=_ID.upper()))["event_id"] == _ID


@pytest.mark.parametrize("bad", ["", "x", _ID[:-1], _ID.replace("-", ""), f"{{{_ID}}}", 7, [], "é" * 36])
def test_no_uuid(bad: Any) -> None:
    """Anything else is a violation."""
    assert "UUID" in _errors(_event(event_id=bad))["event_id"].expected


def test_lossless_coercion_only() -> None:
    """Integer to double and to string; nothing the other way, and no text that looks like a number."""
    event = _valid(_details(price=3, item_name=42))["event_details"]
    assert event == {"item_id": 1, "item_name": "42", "price": 3.0}
    assert type(event["price"]) is float
    for wrong in ({"item_id": "1"}, {"item_id": 1.0}, {"item_id": True}, {"price": "9.5"}, {"item_name": 1.5},
                  {"price": 2**53 + 1}, {"item_name": True}, {"item_id": 2**63}, {"price": None}):  # fmt: skip
        ((path, _),) = _errors(_details(**wrong)).items()
        assert path == f"event_details.{next(iter(wrong))}"


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x\udfff"])
def test_what_postgresql_does_not_store(text: str) -> None:
    """NUL and lone surrogates, in any string."""
    assert "U+0000" in _errors(_details(item_name=text))["event_details.item_name"].expected


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_not_finite(number: float) -> None:
    """JSON has none of these, repairs may."""
    assert "finite" in _errors(_details(price=number))["event_details.price"].expected


def test_every_violation_at_once() -> None:
    """With paths, expectations, and what stood there."""
    event = _event(event_name="added_to_crat", triggered_at="31/01/2025", event_details={"item_id": "x", "itemName": 1})
    errors = _errors(event)
    assert set(errors) == {
        "event_name", "triggered_at", "event_details.item_id", "event_details.item_name", "event_details.price",
        "event_details.itemName",
    }  # fmt: skip
    assert 'did you mean "added_to_cart"' in errors["event_name"].expected
    assert 'did you mean "item_name"' in errors["event_details.itemName"].expected
    assert errors["event_details.item_id"].got == '"x"'
    assert errors["event_details.price"].got == "nothing"


def test_unknown_fields_can_be_dropped() -> None:
    """By configuration, per event type."""
    dropping = validator(_schema(), unknown_fields="drop")
    assert "colour" not in _valid(_details(colour="red") | {"extra": 1}, dropping)["event_details"]


@pytest.mark.parametrize("thing", [None, [], "x", 7, {}])
def test_no_event_at_all(thing: Any) -> None:
    """Never an exception."""
    assert _errors(thing)


def test_wrong_event_type() -> None:
    """An event is validated by its own type."""
    assert _errors(_event(event_type="order"))["event_type"].expected == '"purchase"'


def test_a_thousand_wrong_fields_are_not_a_thousand_lines() -> None:
    """The answer stays readable."""
    assert len(_errors(_details(**{f"f{i}": i for i in range(5000)}))) <= 51


def test_window_around_now() -> None:
    """Too old and too far ahead, when the configuration says so."""
    window = validator(_schema(), max_age=3600, max_ahead=60)
    assert _valid(_event(triggered_at=time.time()), window)
    assert "ago" in _errors(_event(triggered_at=time.time() - 7200), window)["triggered_at"].expected
    assert "ahead" in _errors(_event(triggered_at=time.time() + 7200), window)["triggered_at"].expected


@pytest.mark.parametrize(
    ("kind", "given", "written"),
    [
        ({"type": "int", "logicalType": "date"}, "1970-01-02", 1),
        ({"type": "int", "logicalType": "time-millis"}, "00:00:01", 1000),
        ({"type": "long", "logicalType": "time-micros"}, "00:00:00.000001", 1),
        ({"type": "long", "logicalType": "timestamp-millis"}, "1970-01-01T00:00:01Z", 1000),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, "1970-01-01T00:00:01", 1_000_000),
        ({"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}, "12.30", Decimal("12.30")),
        ({"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}, 12.3, Decimal("12.3")),
        ({"type": "bytes", "logicalType": "decimal", "precision": 900}, "7" * 900, Decimal("7" * 900)),
        ({"type": "string", "logicalType": "uuid"}, _ID.upper(), _ID),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "B"),
        ({"type": "array", "items": "double"}, [1, 2.5], [1.0, 2.5]),
        ({"type": "map", "values": "long"}, {"a": 1}, {"a": 1}),
        (["null", "long", "string"], "x", BranchValue(2, "x")),
        (["null", "string", "long"], 7, BranchValue(2, 7)),
        (["null", "string", "long"], None, None),
        ("boolean", True, True),
        ("float", 16, 16.0),
    ],
)
def test_every_avro_type(kind: Any, given: Any, written: Any) -> None:
    """What a schema may hold."""
    value = _valid(_event(event_details={"x": given}), _typed(kind))["event_details"]["x"]
    assert value == written
    assert type(value) is type(written)


@pytest.mark.parametrize(
    ("kind", "given", "path"),
    [
        ({"type": "int", "logicalType": "date"}, "02.01.1970", "x"),
        ({"type": "int", "logicalType": "time-millis"}, "25:00:00", "x"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}, "1234.5", "x"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}, "1.234", "x"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}, "NaN", "x"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}, "1e999999999", "x"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "C", "x"),
        ({"type": "array", "items": {"type": "array", "items": "long"}}, [[1], [2, "3"]], "x[1][1]"),
        ({"type": "map", "values": {"type": "array", "items": "long"}}, {"a": ["3"]}, 'x["a"][0]'),
        ({"type": "array", "items": {"type": "record", "name": "I", "fields": [{"name": "n", "type": "long"}]}},
         [{"n": 1}, {"n": "2"}], "x[1].n"),
        (["null", "long", "string"], 1.5, "x"),
        ("float", 1e39, "x"),
        ("int", 2**31, "x"),
    ],
)  # fmt: skip
def test_every_avro_type_refused(kind: Any, given: Any, path: str) -> None:
    """With the place, inside arrays and maps too."""
    assert list(_errors(_event(event_details={"x": given}), _typed(kind))) == [f"event_details.{path}"]


def test_a_field_by_the_name_that_it_had_earlier() -> None:
    """An alias of the schema; beside the field itself it is a field that nobody knows."""
    schema = _schema()
    schema["fields"][1]["aliases"] = ["name"]
    schema["fields"][5]["type"]["fields"] = [{"name": "cost", "type": "double", "aliases": ["price"]}]
    renamed = validator(schema)
    sent = {("name" if key == "event_name" else key): value for key, value in _event().items()}
    event = _valid(sent | {"event_details": {"price": 9.5}}, renamed)
    assert (event["event_name"], event["event_details"]) == ("added_to_cart", {"cost": 9.5})
    both = _errors(_event(event_details={"price": 9.5, "cost": 9.5}), renamed)
    assert list(both) == ["event_details.price"]
