"""A type that is named once and used again by its name is known to all that read schemas.

Each asks the schema with names what it asks the same schema with every type written out.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from etld.events.validate import Invalid, Valid, Validator
from etld.ingest.jsonschema import event_schema
from etld.samples.events import make, value
from etld.schemas import fields, shape, tree
from etld.schemas.catalog import EventType
from etld.schemas.checks import validator
from etld.schemas.event_schema import EventSchema, problems
from etld.schemas.tree import SchemaError, Type
from etld.serdes import formats
from etld.serdes.avro import columnar
from etld.serdes.avro.direct import compile_encoder

MONEY = {
    "type": "record",
    "name": "Money",
    "fields": [{"name": "amount", "type": "double"}, {"name": "currency", "type": "string"}],
}
COLOUR = {"type": "enum", "name": "Colour", "symbols": ["red", "green"]}


def _avro(money: Any, colour: Any) -> dict[str, Any]:
    """The second use of each type is given."""
    details = {
        "type": "record",
        "name": "Details",
        "fields": [
            {"name": "price", "type": MONEY},
            {"name": "colour", "type": COLOUR},
            {"name": "paid", "type": money},
            {"name": "refund", "type": ["null", money], "default": None},
            {"name": "parts", "type": {"type": "array", "items": money}},
            {"name": "other", "type": colour},
        ],
    }
    return {
        "type": "record",
        "name": "Event",
        "namespace": "shop",
        "fields": [
            *({"name": name, "type": "string"} for name in ("event_id", "event_name", "event_type")),
            {"name": "triggered_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {
                "name": "user_details",
                "type": {"type": "record", "name": "User", "fields": [{"name": "user_id", "type": "long"}]},
            },
            {"name": "event_details", "type": details},
        ],
    }


#: By its name in its namespace, and by its full name.
NAMED = [_avro("Money", "Colour"), _avro("shop.Money", "shop.Colour")]
#: Avro allows a name to be defined once, so the same types have other names here.
WRITTEN_OUT = _avro({**MONEY, "name": "Paid"}, {**COLOUR, "name": "Other"})
WRITTEN_OUT["fields"][5]["type"]["fields"][3]["type"][1] = {**MONEY, "name": "Refund"}
WRITTEN_OUT["fields"][5]["type"]["fields"][4]["type"]["items"] = {**MONEY, "name": "Part"}


def _type(avro: dict[str, Any]) -> EventType:
    return EventType("sale", "event_sale", EventSchema.parse(json.dumps(avro)), 7, zone="UTC")


def _event(**details: Any) -> dict[str, Any]:
    money = {"amount": 12.5, "currency": "EUR"}
    return {
        "event_id": str(uuid.UUID(int=1)),
        "event_name": "sold",
        "event_type": "sale",
        "triggered_at": "2026-01-31T12:00:00Z",
        "user_details": {"user_id": 7},
        "event_details": {
            "price": money, "colour": "red", "paid": money, "refund": money, "parts": [money, money], "other": "green",
        } | details,
    }  # fmt: skip


@pytest.fixture(params=NAMED, ids=["name", "full name"])
def named(request: pytest.FixtureRequest) -> EventType:
    return _type(request.param)


WRITTEN = _type(WRITTEN_OUT)


def test_nothing_speaks_against_the_schema(named: EventType) -> None:
    assert problems(named.schema.text) == []


def test_the_tree_has_the_type_at_each_place(named: EventType) -> None:
    details = named.schema.tree.fields[5].type
    kinds = {field.name: (field.type.optional or field.type).kind for field in details.fields}
    assert kinds["paid"] == kinds["refund"] == "record"
    assert details.fields[2].type == details.fields[0].type


def test_validation(named: EventType) -> None:
    """Valid events are valid, and a mistake inside is found, at its place."""
    checks: Validator = validator(named)
    assert isinstance(checks.validate(_event()), Valid)
    wrong = _event(paid={"amount": "x", "currency": "EUR"}, parts=[{"amount": 1}], other="blue")
    verdict = checks.validate(wrong)
    assert isinstance(verdict, Invalid)
    assert [error.path for error in verdict.errors] == [
        "event_details.paid.amount", "event_details.parts[0].currency", "event_details.other",
    ]  # fmt: skip
    written = validator(WRITTEN).validate(wrong)
    assert isinstance(written, Invalid)
    assert list(map(str, verdict.errors)) == list(map(str, written.errors))


def test_encoding_and_decoding(named: EventType) -> None:
    """The same bytes and frames, by every way there is."""
    verdict = validator(named).validate(_event())
    assert isinstance(verdict, Valid)
    avro = formats.written()
    encoded = avro.encoder(named.schema, 7)(verdict.event)
    assert encoded == avro.encoder(WRITTEN.schema, 7)(verdict.event)
    assert avro.decode(named.schema, encoded) == _event()
    frames = [
        columnar.decode([encoded] * 3, lambda _, kind=kind: kind.schema, limits).frame
        for kind in (named, WRITTEN)
        for limits in (columnar.Limits(0, 1), columnar.EXACT)
    ]
    assert all(frame.equals(frames[0]) for frame in frames)
    assert frames[0]["event_details"].struct.field("refund").struct.field("amount").to_list() == [12.5] * 3


def test_the_direct_way() -> None:
    """Records used again do not keep an event from the short way."""
    details = {
        "type": "record",
        "name": "Details",
        "fields": [{"name": "price", "type": MONEY}, {"name": "paid", "type": "Money"}],
    }
    avro = _avro("Money", "Colour")
    avro["fields"][5]["type"] = details
    kind = _type(avro)
    event = _event() | {
        "event_details": {"price": {"amount": 1.0, "currency": "EUR"}, "paid": {"amount": 2.0, "currency": "EUR"}}
    }
    direct = compile_encoder(kind)
    assert direct is not None
    verdict = validator(kind).validate(event)
    assert isinstance(verdict, Valid)
    assert direct(event) == formats.written().encoder(kind.schema, 7)(verdict.event)


def test_json_schema(named: EventType) -> None:
    made, written = event_schema(named), event_schema(WRITTEN)
    assert made == written
    paid = made["properties"]["event_details"]["properties"]["paid"]
    assert paid["required"] == ["amount", "currency"]


def test_samples(named: EventType) -> None:
    """Made-up events are valid, whatever is drawn."""
    now = datetime(2026, 1, 31, tzinfo=UTC)
    checks = validator(named)
    for seed in range(30):
        made = make(named, Random(seed), now)
        assert isinstance(checks.validate(made), Valid), made
        assert isinstance(made["event_details"]["paid"]["amount"], float)
        again = {key: item for key, item in make(WRITTEN, Random(seed), now).items() if key != "event_id"}
        assert again == {key: item for key, item in made.items() if key != "event_id"}


def test_a_sample_of_any_decimal() -> None:
    """One that has no digit before its point too."""
    for precision, scale in ((2, 2), (4, 2), (3, 0)):
        of = Type("bytes", "decimal", precision=precision, scale=scale)
        text = value(of, Random(1), datetime(2026, 1, 31, tzinfo=UTC))
        assert abs(float(text)) < 10 ** (precision - scale), (precision, scale)


def test_shape(named: EventType) -> None:
    """Correction steps see into it."""
    made = shape.of(named.schema.tree)
    assert made == shape.of(WRITTEN.schema.tree)
    amount = made.at(("event_details", "refund", "amount"))
    assert amount is not None
    assert amount.kind == "double"
    other = made.at(("event_details", "other"))
    assert other is not None
    assert other.symbols == ("red", "green")


def test_fields_of_summaries(named: EventType) -> None:
    top = named.schema.tree
    assert fields.lookup(top, "event_details.paid.amount") == fields.Known("double precision")
    assert fields.lookup(top, "event_details.refund.currency") == fields.Known("text")
    assert fields.lookup(top, "event_details.other") == fields.Known("text")


def test_doc_and_aliases_are_kept() -> None:
    """Of fields and of named types; they make no other type of it."""
    avro = {
        "type": "record",
        "name": "R",
        "doc": "a record",
        "aliases": ["Old"],
        "fields": [{"name": "a", "type": {**COLOUR, "doc": "a colour"}, "doc": "its colour", "aliases": ["b"]}],
    }
    made = tree.parse(avro)
    (field,) = made.fields
    assert (made.doc, made.aliases) == ("a record", ("Old",))
    assert (field.doc, field.aliases, field.type.doc) == ("its colour", ("b",), "a colour")
    assert field.type == tree.parse(COLOUR)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a", "type": "Nobody"}]}', "a: unknown type 'Nobody'"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a", "type": ["null", "R"]}]}', "contains itself"),
    ],
)
def test_what_is_no_schema(text: str, says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        tree.read(text)
