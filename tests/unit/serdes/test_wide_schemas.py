"""Schemas of many fields: read by columns, and no field costs more for the others."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etld.schemas.event_schema import EventSchema
from etld.serdes import json_text
from etld.serdes.avro import columnar, wire
from etld.serdes.avro.codec import AvroCodec, codec_of
from etld.serdes.columns import JSON_TEXT
from support.events import numbered_purchase

_PURCHASE = json.loads((Path(__file__).parents[3] / "schemas" / "purchase.avsc").read_text())
_RECORDS = 50
_FEW, _MANY = 100, 600
_POINT = {"type": "record", "name": "Point", "fields": [{"name": "x", "type": ["null", "int"], "default": None}]}
_KINDS = {
    "text": ("string", "x"),
    "record": (_POINT, {"x": 1}),
    "array": ({"type": "array", "items": "int"}, [1, 2]),
}


def _schema(kind: Any, fields: int) -> EventSchema:
    schema = json.loads(json.dumps(_PURCHASE))
    details = next(one for one in schema["fields"] if one["name"] == "event_details")["type"]["fields"]
    for number in range(fields):
        named = {**kind, "name": f"Point{number}"} if kind is _POINT else kind
        details.append({"name": f"f{number}", "type": ["null", named], "default": None})
    return EventSchema.parse(json.dumps(schema))


def _read(kind: str, fields: int, monkeypatch: pytest.MonkeyPatch) -> float:
    """Seconds for records with every other of so many optional fields, of which none is read by itself."""
    what, value = _KINDS[kind]
    schema = _schema(what, fields)
    event = numbered_purchase(1)
    event["event_details"] |= {f"f{number}": None if number % 2 else value for number in range(fields)}
    batch = [wire.pack(7, codec_of(schema).encode(event))] * _RECORDS
    taken = []
    with monkeypatch.context() as patch:
        patch.setattr(AvroCodec, "decode", None)
        for _ in range(2):
            began = time.process_time()
            decoded = columnar.decode(batch, lambda _id: schema, columnar.Limits(0, 1))
            taken.append(time.process_time() - began)
            assert not decoded.bad
            assert decoded.frames[0].height == _RECORDS
    return min(taken)


@pytest.mark.parametrize("kind", _KINDS)
def test_a_field_costs_what_it_costs_among_few(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six times as many take about six times as long; by the square it would be 36 times."""
    few, many = (_read(kind, fields, monkeypatch) for fields in (_FEW, _MANY))
    assert many < 14 * few, f"{_FEW} fields: {few:.3f} s, {_MANY} fields: {many:.3f} s"


@pytest.mark.parametrize("inside", [False, True])
def test_so_does_a_field_that_is_text_of_json(inside: bool) -> None:
    """A map or a union of several types: such fields are put together one by one."""

    def written(fields: int) -> float:
        wide = pl.DataFrame({f"f{number}": ['{"a":1}', None] for number in range(fields)}).cast(JSON_TEXT)
        values = wide.to_struct("all")
        values = pl.DataFrame({"inner": values}).to_struct("all") if inside else values
        taken = []
        for _ in range(3):
            began = time.process_time()
            text = json_text.column(values)
            taken.append(time.process_time() - began)
            found = [json.loads(one) for one in text]
            rows = [dict.fromkeys(wide.columns, value) for value in ({"a": 1}, None)]
            assert found == [{"inner": row} if inside else row for row in rows]
        return min(taken)

    few, many = written(_FEW), written(_MANY)
    assert many < 14 * few, f"{_FEW} fields: {few:.3f} s, {_MANY} fields: {many:.3f} s"
