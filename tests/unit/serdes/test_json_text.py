"""Maps and unions of several types: objects, text and numbers as they are, never JSON inside a string."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etld.events.validate import Valid
from etld.frames import ready, unstorable
from etld.frames.transform import Transform
from etld.schemas import checks
from etld.schemas.catalog import EventType
from etld.schemas.event_schema import EventSchema
from etld.serdes import json_text
from etld.serdes.avro import columnar, wire
from etld.serdes.avro.codec import codec_of

CASES = Path(__file__).parents[2] / "support" / "cases"
VISITS = [json.loads(line) for line in (CASES / "visit.jsonl").read_text().splitlines()]

_LINE = {"type": "record", "name": "Line", "fields": [{"name": "m", "type": ["null", "int", "string"]}]}


def _visit(**more: Any) -> EventType:
    avro = json.loads((CASES / "visit.avsc").read_text())
    avro["fields"][5]["type"]["fields"] += [{"name": name, "type": kind} for name, kind in more.items()]
    return EventType("visit", "event_visit", EventSchema.parse(json.dumps(avro)), 7)


def _frame(kind: EventType, *events: dict[str, Any]) -> pl.DataFrame:
    validator, codec = checks.validator(kind), codec_of(kind.schema)
    bodies = []
    for event in events:
        result = validator.validate(event)
        assert isinstance(result, Valid), result
        bodies.append(wire.pack(7, codec.encode(result.event)))
    return columnar.decode([*bodies], lambda _id: kind.schema).frame


def _details(frame: pl.DataFrame) -> list[str]:
    return list(json_text.column(frame["event_details"]))


def test_the_cases() -> None:
    """What a client sent comes out again."""
    texts = _details(_frame(_visit(), *(one["event"] for one in VISITS)))
    assert [json.loads(text) for text in texts] == [one["want"] for one in VISITS]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ({"type": "map", "values": {"type": "map", "values": "long"}}, {"a": {"b": 2**63 - 1}, "c": {}}),
        ({"type": "map", "values": ["null", "string", "double"]}, {"a": None, "b": "1", "c": 1.5, 'd"\\': "é\n"}),
        (["null", "long", "double", "string"], 2**53 + 1),
        (["null", "string", {"type": "map", "values": "long"}], {"n": 2**53 + 1}),
        (["null", "string", {"type": "array", "items": ["long", "string"]}], [1, "1", "[2]"]),
        (
            {"type": "array", "items": _LINE},
            [{"m": None}, {"m": 1}, {"m": '{"a": 1}'}],
        ),
        ({"type": "array", "items": {"type": "map", "values": "string"}}, [{}, {"k": "v"}]),
        (
            [
                "null",
                {"type": "record", "name": "Deep", "fields": [{"name": "m", "type": {"type": "map", "values": "int"}}]},
            ],
            None,
        ),
        ({"type": "map", "values": "float"}, {"a": 0.1}),
        (["string", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}], "text"),
    ],
)
def test_nested_anywhere(kind: Any, value: Any) -> None:
    """Beside fields that have a column of their own."""
    event = VISITS[0]["event"]
    changed = event | {"event_details": event["event_details"] | {"more": value}}
    (text,) = _details(_frame(_visit(more=kind), changed))
    assert json.loads(text) == VISITS[0]["want"] | {"more": value}


def test_a_transform_gets_strings() -> None:
    """What a function makes of JSON text is checked like all else."""

    def function(frame: pl.DataFrame) -> pl.DataFrame:
        details = pl.col("event_details").struct
        assert frame.schema["event_details"].fields[0].dtype == pl.String
        return frame.with_columns(
            details.with_fields(pl.field("attrs").str.replace("é", r"\u0000", literal=True)).alias("event_details")
        )

    frame = _frame(_visit(), *(one["event"] for one in VISITS))
    assert unstorable(frame, "visit") == []
    kept, _, bad = ready(frame, Transform("test:function", function), "visit")
    assert [(one.row, one.error_class) for one in bad] == [(0, "NulCharacter")]
    assert [json.loads(text) for text in _details(kept)] == [one["want"] for one in VISITS[1:]]
