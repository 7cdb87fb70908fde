"""Ten kinds of poison among good records: each is one bad record with its own reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etld.schemas.event_schema import EventSchema
from etld.schemas.registry import RegistryUnavailable, UnknownSchema
from etld.serdes.avro import columnar, wire
from etld.serdes.avro.codec import codec_of
from support.events import numbered_purchase

_TEXT = (Path(__file__).parents[3] / "schemas" / "purchase.avsc").read_text()
SCHEMA = EventSchema.parse(_TEXT)


def _schema_for(schema_id: int) -> EventSchema:
    if schema_id == 7:
        return SCHEMA
    if schema_id == 8:
        return EventSchema.parse('"string"')
    raise UnknownSchema(schema_id)


def _good(i: int) -> bytes:
    return wire.pack(7, codec_of(SCHEMA).encode(numbered_purchase(i)))


def _union(value: bytes) -> bytes:
    at = value.index(b"\x02\x0aa@b.c")
    return value[:at] + b"\x0a" + value[at + 1 :]


_POISON: dict[str, Any] = {
    "Tombstone": None,
    "EmptyValue": b"",
    "TooShort": b"\0\0\0",
    "JsonInsteadOfAvro": b' {"event_id": 1}',
    "BadMagicByte": b"\x17\0\0\0\7abc",
    "UnknownSchemaId": b"\0\0\0\0\x63abc",
    "NotAnEventSchema": b"\0\0\0\0\x08\x02a",
    "BadLength": wire.pack(7, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01abc"),
    "BadVarint": wire.pack(7, b"\xff" * 11),
    "InvalidUtf8": _good(1).replace(b"lamp", b"la\xff\xfe"),
    "Truncated": _good(1)[:-3],
    "TrailingBytes": _good(1) + b"\0",
    "BadUnionIndex": _union(_good(1)),
}


@pytest.mark.parametrize("size", [40, 1500])
def test_each_is_one_bad_record_with_its_reason(size: int) -> None:
    """Their neighbours come through, in order."""
    batch: list[bytes | None] = [_good(i) for i in range(size)]
    places = {3 + 2 * i: (name, value) for i, (name, value) in enumerate(_POISON.items())}
    for row, (_, value) in places.items():
        batch[row] = value
    decoded = columnar.decode(batch, _schema_for)
    assert {bad.row: bad.error_class for bad in decoded.bad} == {row: name for row, (name, _) in places.items()}
    assert all(bad.stage == "VALUE_CONVERTER" and bad.message for bad in decoded.bad)
    assert decoded.frame["row"].to_list() == [row for row in range(size) if row not in places]


def test_a_swallowed_neighbour_is_seen() -> None:
    """Bytes moved from one record to the next keep the batch's length, and are found all the same."""
    batch: list[bytes | None] = [_good(i) for i in range(200)]
    first, second = _good(50), _good(51)
    batch[50], batch[51] = first + second[:9], second[9:]
    assert [bad.row for bad in columnar.decode(batch, _schema_for).bad] == [50, 51]


def test_the_field_is_named() -> None:
    """A reader of the dead letter learns where to look."""
    (bad,) = columnar.decode([_POISON["BadUnionIndex"]], _schema_for).bad
    assert bad.message == "user_details.email: union index 5, known are 0 to 1"


def test_a_registry_that_is_away_makes_no_record_bad() -> None:
    """It is for the caller to try again."""

    def away(_: int) -> EventSchema:
        raise RegistryUnavailable("away")

    with pytest.raises(RegistryUnavailable):
        columnar.decode([_good(1)], away)


def test_two_versions_in_one_batch() -> None:
    """The newer field is null for older records."""
    newer = EventSchema.parse(
        _TEXT.replace('{"name": "item_name"', '{"name": "coupon", "type": "string"}, {"name": "item_name"')
    )
    event = numbered_purchase(1)
    event["event_details"]["coupon"] = "X1"
    batch = [_good(0), wire.pack(9, codec_of(newer).encode(event)), _good(2)]
    decoded = columnar.decode(batch, {7: SCHEMA, 9: newer}.__getitem__)
    assert decoded.bad == []
    assert decoded.frame["event_details"].struct.field("coupon").to_list() == [None, "X1", None]


def test_nothing_at_all() -> None:
    """An empty batch has the columns of an event."""
    assert columnar.decode([], _schema_for).frame.columns == [
        "row", "event_id", "event_name", "event_type", "triggered_at", "user_details", "event_details",
    ]  # fmt: skip


def test_a_union_branch_that_does_not_exist_is_found_alone() -> None:
    """Polars takes it for the branch with the value: only the proof of the read sees it."""
    batch: list[bytes | None] = [_good(i) for i in range(200)]
    batch[50] = _union(_good(50))
    assert [(bad.row, bad.error_class) for bad in columnar.decode(batch, _schema_for).bad] == [(50, "BadUnionIndex")]
