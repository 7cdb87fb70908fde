"""Events that other producers wrote with schemas of their own: read in both ways, or bad for a plain reason."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import fastavro
import pytest

from etld.schemas.event_schema import EventSchema
from etld.schemas.registry.cache import SchemaCache
from etld.schemas.tree import SchemaError
from etld.serdes.avro import columnar, wire
from etld.serdes.base import DecodedBatch
from etld.serdes.formats import FORMATS

_MOMENT = 1_767_323_045_123_456
_EVENT = {
    "event_id": "0190b5a4-7e1c-7c3a-9d4e-5f6a7b8c9d0e",
    "event_name": "bought",
    "event_type": "purchase",
    "triggered_at": _MOMENT,
    "user_details": {"user_id": 7},
    "event_details": {"price": 1.5},
}
_TYPES: dict[str, Any] = {
    **dict.fromkeys(("event_id", "event_name", "event_type"), "string"),
    "triggered_at": {"type": "long", "logicalType": "timestamp-micros"},
    "user_details": {"type": "record", "name": "User", "fields": [{"name": "user_id", "type": "long"}]},
    "event_details": {"type": "record", "name": "Details", "fields": [{"name": "price", "type": "double"}]},
}
_RENAMED = ["event_id", "name", *list(_TYPES)[2:]]


def _logical(kind: str) -> dict[str, Any]:
    return {"type": "long", "logicalType": kind}


def _schema(order: list[str] | None = None, aliases: dict[str, list[str]] | None = None, **types: Any) -> str:
    kinds, known = {**_TYPES, **types}, aliases or {}
    fields = [{"name": name, "type": kinds[name], "aliases": known.get(name, [])} for name in order or list(kinds)]
    return json.dumps({"type": "record", "name": "Foreign", "fields": fields})


def _plain(schema: Any) -> Any:
    """Without logical types, so that fastavro writes what it is given."""
    if isinstance(schema, dict):
        return {key: _plain(value) for key, value in schema.items() if key != "logicalType"}
    return [_plain(one) for one in schema] if isinstance(schema, list) else schema


def _write(schema: str, event: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(_plain(json.loads(schema))), event)
    return wire.pack(7, out.getvalue())


def _read(schema: EventSchema, *values: bytes) -> DecodedBatch:
    quick = columnar.decode([*values], lambda _id: schema, columnar.Limits(0, 1))
    exact = columnar.decode([*values], lambda _id: schema, columnar.EXACT)
    assert quick.bad == exact.bad
    assert all(one.equals(other) for one, other in zip(quick.frames, exact.frames, strict=True))
    assert [frame.schema for frame in quick.frames] == [frame.schema for frame in exact.frames]
    return quick


@pytest.mark.parametrize(
    ("schema", "changes"),
    [
        (_schema(order=list(_TYPES)[::-1]), {}),
        (_schema(event_id={"type": "string", "logicalType": "uuid"}), {}),
        (_schema(event_type={"type": "enum", "name": "Kind", "symbols": ["order", "purchase"]}), {}),
        (_schema(event_name=["null", "string"]), {}),
        (_schema(triggered_at=_logical("timestamp-nanos")), {"triggered_at": _MOMENT * 1000 + 9}),
        (_schema(triggered_at=_logical("local-timestamp-micros")), {}),
        (_schema(triggered_at=["null", _logical("local-timestamp-nanos")]), {"triggered_at": _MOMENT * 1000}),
        (_schema(triggered_at="string"), {"triggered_at": "2026-01-02T03:04:05.123456Z"}),
        (_schema(triggered_at=["null", "string"]), {"triggered_at": "2026-01-02T04:04:05.123456+01:00"}),
        (_schema(source="string", raw="bytes"), {"source": "shop", "raw": b"\0\1"}),
        (_schema(source={"type": "map", "values": "long"}), {"source": {"a": 1}}),
    ],
)
def test_read_as_an_event(schema: str, changes: dict[str, Any]) -> None:
    """The six fields, whatever their order and type, and nothing else."""
    read, usual = EventSchema.read(schema), EventSchema.parse(_schema())
    assert (read.time is None, usual.time) == (False, None)
    values, same = [_write(schema, _EVENT | changes)] * 2, [_write(_schema(), _EVENT)] * 2
    decoded, expected = _read(read, *values), _read(usual, *same)
    assert decoded.bad == []
    assert decoded.frame.schema == expected.frame.schema
    assert decoded.frame.equals(expected.frame)
    assert FORMATS[0].decode(read, values[0]) == FORMATS[0].decode(usual, same[0])


def test_milliseconds() -> None:
    """And those far out of range are out of range still."""
    schema = _schema(triggered_at=_logical("timestamp-millis"))
    written = [_write(schema, _EVENT | {"triggered_at": when}) for when in (_MOMENT // 1000, 2**63 - 1, -(2**63))]
    moments = _read(EventSchema.read(schema), *written).frame["triggered_at"].to_physical().to_list()
    assert moments[0] == _MOMENT // 1000 * 1000
    assert moments[1] > 253_402_300_799_999_999
    assert moments[2] < -62_135_596_800_000_000


def test_a_text_that_is_no_time() -> None:
    """Its record alone is bad, with the text."""
    schema = _schema(triggered_at="string")
    texts = ("2026-01-02T03:04:05Z", "yesterday", "2026-01-02T03:04:06Z")
    decoded = _read(EventSchema.read(schema), *[_write(schema, _EVENT | {"triggered_at": text}) for text in texts])
    assert [(one.row, one.error_class, one.message) for one in decoded.bad] == [
        (1, "NotATime", "triggered_at: 'yesterday' is no time as RFC 3339")
    ]
    assert decoded.frame["row"].to_list() == [0, 2]


def test_names_of_earlier() -> None:
    """By an alias of the writer, or of etld's own schema."""
    event = {("name" if key == "event_name" else key): value for key, value in _EVENT.items()}
    own, other = _schema(_RENAMED, {"name": ["event_name"]}, name="string"), _schema(_RENAMED, name="string")
    assert _read(EventSchema.read(own), _write(own, event)).frame["event_name"].to_list() == ["bought"]
    read = EventSchema.read(other, {"name": "event_name"})
    assert _read(read, _write(other, event)).frame["event_name"].to_list() == ["bought"]
    with pytest.raises(SchemaError, match="event_name: the field is missing"):
        EventSchema.read(other)


@pytest.mark.parametrize(
    ("types", "reason"),
    [
        ({"triggered_at": "long"}, "triggered_at: must be a timestamp"),
        ({"event_id": "long"}, "event_id: must be a string or an enum"),
        ({"event_details": "string"}, "event_details: must be a record"),
        ({"more": {"type": "array", "items": "null"}}, "more: an array of values without bytes"),
    ],
)
def test_what_is_no_events(types: dict[str, Any], reason: str) -> None:
    """Said of the schema, for the dead letter."""
    with pytest.raises(SchemaError, match=reason):
        EventSchema.read(_schema(**types))


def test_the_cache_reads_other_producers_schemas() -> None:
    """As it does etld's own."""

    class OneSchema:
        def look_up(self, ids: list[int], *_: object) -> Iterator[tuple[int, str]]:
            yield from ((one, _schema(triggered_at="string")) for one in ids)

    assert SchemaCache(OneSchema())(7).time == "text"  # type: ignore[arg-type]
