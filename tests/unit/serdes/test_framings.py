"""How a record names its schema: in front of its body in four bytes, eight or a GUID's, or in a header of its own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from etld.deadletters import letter_headers
from etld.deadletters.decode import decode as decode_letter
from etld.deadletters.from_record import Source, letter
from etld.kafka.types import Partition, Record
from etld.schemas.event_schema import EventSchema
from etld.schemas.reference import LongId, SchemaRef
from etld.schemas.registry import UnknownSchema
from etld.schemas.registry.cache import SchemaCache
from etld.serdes import formats
from etld.serdes.avro import columnar, wire
from etld.serdes.avro.codec import codec_of
from etld.serdes.base import BadRecord, DecodedBatch
from support.events import numbered_purchase

SCHEMA = EventSchema.parse((Path(__file__).parents[3] / "schemas" / "purchase.avsc").read_text())
GUID = uuid.UUID("89791762-2336-4186-9674-299b90a802e2")
IN_HEADER = b"\1" + GUID.bytes
SIZES = (9, 500)


def _body(i: int) -> bytes:
    return codec_of(SCHEMA).encode(numbered_purchase(i))


def _schema_for(named: SchemaRef) -> EventSchema:
    if named in (7, GUID):
        return SCHEMA
    raise UnknownSchema(named)


def _both(values: list[bytes | None], headers: Mapping[int, bytes], schema_for: Any = _schema_for) -> DecodedBatch:
    quick = columnar.decode(values, schema_for, columnar.Limits(0, 1), headers)
    exact = columnar.decode(values, schema_for, columnar.EXACT, headers)
    assert quick.bad == exact.bad
    assert quick.frame.equals(exact.frame)
    return quick


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("head", "in_front"),
    [
        pytest.param(wire.header(7), True, id="id"),
        pytest.param(b"\0" + (7).to_bytes(8), True, id="long id"),
        pytest.param(IN_HEADER, True, id="GUID in front"),
        pytest.param(IN_HEADER, False, id="GUID in a header"),
        pytest.param(wire.header(7), False, id="id in a header"),
    ],
)
def test_the_same_events(head: bytes, in_front: bool, size: int) -> None:
    """However the schema is named; one with a broken body is bad for the same reason."""
    bodies = [_body(i) for i in range(size)]
    bodies[4] += b"\0"
    values: list[bytes | None] = [head + body if in_front else body for body in bodies]
    decoded = _both(values, {} if in_front else dict.fromkeys(range(size), head))
    usual = _both([wire.pack(7, body) for body in bodies], {})
    assert decoded.frame.equals(usual.frame)
    assert decoded.bad == usual.bad
    assert [bad.row for bad in decoded.bad] == [4]


def test_a_header_wins() -> None:
    """Also where the body begins as a value with an id does; all kinds may be in one batch."""
    field = '"name": "event_id", "type": '
    tricky = EventSchema.read(SCHEMA.text.replace(f'{field}"string"', f'{field}["null", "string"]'))
    event = codec_of(tricky).encode({**codec_of(SCHEMA).decode(_body(3)), "event_id": None})
    assert event[:1] == b"\0"
    known = {7: SCHEMA, GUID: tricky, int.from_bytes(event[1:5]): SCHEMA}
    values: list[bytes | None] = [wire.pack(7, _body(0)), event, b"\0" + (7).to_bytes(8) + _body(2), event, None]
    for limits in (columnar.Limits(0, 1), columnar.EXACT):
        decoded = columnar.decode(values, known.__getitem__, limits, {1: IN_HEADER})
        rows = sorted(row for frame in decoded.frames for row in frame["row"])
        assert rows == [0, 1, 2]
        assert [(bad.row, bad.error_class) for bad in decoded.bad] == [(3, "BadLength"), (4, "Tombstone")]


@pytest.mark.parametrize("header", [b"", b"\1", b"\1" + bytes(15), b"\0" + bytes(8), b"\2" + bytes(16), b"7"])
def test_a_header_that_names_nothing(header: bytes) -> None:
    """Its record is bad, for that reason."""
    decoded = _both([wire.pack(7, _body(0)), wire.pack(7, _body(1))], {1: header})
    assert [(bad.row, bad.error_class) for bad in decoded.bad] == [(1, "BadSchemaHeader")]
    assert "__value_schema_id" in decoded.bad[0].message


@pytest.mark.parametrize("value", [b"\0" * 8, b"\1" + bytes(15)])
def test_too_short(value: bytes) -> None:
    assert _both([value], {}).bad[0].error_class == "TooShort"


def test_who_is_unknown() -> None:
    """By its GUID, or its id."""
    bad = _both([b"\1" + bytes(16) + b"x", b"\0" + (99).to_bytes(8) + b"x"], {}).bad
    assert [one.message for one in bad] == [
        "no schema has the GUID 00000000-0000-0000-0000-000000000000",
        "no schema has the id 99",
    ]


class _Registry:
    def look_up(self, ids: Any, _until: float, _tick: Any) -> Any:
        return [(one, SCHEMA.text if one in (7, GUID) else None) for one in ids]


@pytest.mark.parametrize("long_ids", [False, True])
def test_long_ids_are_read_if_the_configuration_says_so(long_ids: bool) -> None:
    """Else the dead letter tells which key does it. Unknown ones and GUIDs are told apart."""
    cache = SchemaCache(_Registry(), long_ids=long_ids)  # type: ignore[arg-type]
    values: list[bytes | None] = [b"\0" + number.to_bytes(8) + _body(1) for number in (7, 8)]
    decoded = _both([*values, wire.pack(7, _body(2)), IN_HEADER + _body(3)], {}, cache)
    assert decoded.frame["row"].to_list() == ([0, 2, 3] if long_ids else [2, 3])
    assert [bad.row for bad in decoded.bad] == ([1] if long_ids else [0, 1])
    told = decode_letter(values[0], cache)
    assert told.waits_for is None
    assert (told.event is None) == (not long_ids)
    if not long_ids:
        assert "8 reads it" in decoded.bad[0].message
        with pytest.raises(UnknownSchema, match="this one is 7"):
            cache(LongId(7))


def test_the_letter_keeps_the_header() -> None:
    """As text, so that the corrector, and whoever looks at it, reads the event."""
    headers = [("trace", b"x"), (formats.SCHEMA_HEADER, IN_HEADER), (formats.SCHEMA_HEADER, b"later")]
    record = Record(Partition("event_purchase", 0), 5, b"k", _body(3), headers, None)
    bad = BadRecord(0, "VALIDATION", "NotFinite", "it is not")
    made = letter(Source("c", "t", "purchase"), record, bad, None)
    assert made.value == _body(3)
    header = made.headers[letter_headers.SCHEMA]
    assert decode_letter(made.value, _schema_for, header).event is not None
    assert decode_letter(made.value, _schema_for).event is None
    assert "is neither" in str(decode_letter(made.value, _schema_for, "0102").reason)
    assert decode_letter(made.value, _schema_for, "no hex").event is None
    other = decode_letter(made.value, _schema_for, (b"\1" + bytes(16)).hex())
    assert (other.event, other.waits_for) == (None, None)
