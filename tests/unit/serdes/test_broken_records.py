"""Whatever one record trips over is its own dead letter; its neighbours come through, on both ways."""

from __future__ import annotations

import json
import random
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etld.deadletters.decode import decode
from etld.frames import encoded, ready
from etld.schemas.event_schema import EventSchema
from etld.schemas.reference import SchemaRef
from etld.schemas.registry import UnknownSchema
from etld.schemas.tree import SchemaError
from etld.serdes import columns
from etld.serdes.avro import columnar, wire
from etld.serdes.avro.codec import AvroCodec, codec_of
from support.events import numbered_purchase
from support.fuzzing import examples

_TEXT = (Path(__file__).parents[3] / "schemas" / "purchase.avsc").read_text()
SCHEMA = EventSchema.parse(_TEXT)
SIZES = (40, 600)


def _good(i: int, name: str = "lamp") -> bytes:
    return wire.pack(7, codec_of(SCHEMA).encode(numbered_purchase(i, name)))


class _NoException(BaseException):
    """As Polars' PanicException."""


@pytest.mark.parametrize("kind", [ValueError, RecursionError, OverflowError, AssertionError, _NoException])
@pytest.mark.parametrize("size", SIZES)
def test_an_error_of_reading_it(monkeypatch: pytest.MonkeyPatch, kind: type[BaseException], size: int) -> None:
    """In the exact reader, which is asked about each record that the columnar way refuses."""
    real = AvroCodec.decode

    def decode_or_trip(self: AvroCodec, body: bytes) -> dict[str, Any]:
        if b"trips" in body:
            raise kind("over it")
        return real(self, body)

    monkeypatch.setattr(AvroCodec, "decode", decode_or_trip)
    columnar._reader_of.cache_clear()
    batch: list[bytes | None] = [_good(i) for i in range(size)]
    batch[5] = _good(5, "trips") + b"\0"
    decoded = columnar.decode(batch, lambda _: SCHEMA)
    assert [(bad.row, bad.error_class, bad.message) for bad in decoded.bad] == [(5, kind.__name__, "over it")]
    assert decoded.frame["row"].to_list() == [row for row in range(size) if row != 5]
    assert decode(batch[5], lambda _: SCHEMA).reason == f"undecodable: {kind.__name__}: over it"
    columnar._reader_of.cache_clear()


@pytest.mark.parametrize("size", SIZES)
def test_an_error_of_its_columns(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """A frame that cannot be made is made without the record that is in its way."""
    real = columns.frame

    def frame(top: Any, rows: Any, events: Any) -> pl.DataFrame:
        if any(event["event_details"]["item_name"] == "trips" for event in events):
            raise OverflowError("too much")
        return real(top, rows, events)

    monkeypatch.setattr(columns, "frame", frame)
    batch: list[bytes | None] = [_good(i, "trips" if i == 7 else "lamp") for i in range(size)]
    decoded = columnar.decode(batch, lambda _: SCHEMA, columnar.EXACT)
    assert [(bad.row, bad.error_class) for bad in decoded.bad] == [(7, "OverflowError")]
    assert sorted(row for frame in decoded.frames for row in frame["row"]) == [r for r in range(size) if r != 7]


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_ends_the_process_ends_it(monkeypatch: pytest.MonkeyPatch, end: type[BaseException]) -> None:
    def stop(*_: object) -> Any:
        raise end

    monkeypatch.setattr(AvroCodec, "decode", stop)
    columnar._reader_of.cache_clear()
    for step in (lambda: columnar.decode([_good(1)], lambda _: SCHEMA), lambda: decode(_good(1), lambda _: SCHEMA)):
        with pytest.raises(end):
            step()
    columnar._reader_of.cache_clear()


def test_a_schema_that_no_reader_can_be_made_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its records, and no other."""
    other = EventSchema.parse(_TEXT.replace('"item_name"', '"item_label"'))
    real = columns.converter

    def converter(top: Any) -> Any:
        if top.fields[5] == other.tree.fields[5]:
            raise RecursionError("too deep")
        return real(top)

    monkeypatch.setattr(columns, "converter", converter)
    batch = [_good(0), wire.pack(8, _good(1)[5:]), _good(2)]
    decoded = columnar.decode(batch, {7: SCHEMA, 8: other}.__getitem__)
    assert [(bad.row, bad.error_class) for bad in decoded.bad] == [(1, "RecursionError")]
    assert decoded.frame["row"].to_list() == [0, 2]


def test_a_schema_for_each_record() -> None:
    """They are not all laid side by side, which would take a column for each field of each."""
    found = {}
    batch = []
    for number in range(1, 301):
        fields = f'{{"name": "x{number}", "type": ["null", "long"], "default": null}}, {{"name": "item_name"'
        found[number] = EventSchema.parse(_TEXT.replace('{"name": "item_name"', fields))
        event = numbered_purchase(number)
        event["event_details"][f"x{number}"] = number
        batch.append(wire.pack(number, codec_of(found[number]).encode(event)))
    began = time.process_time()
    decoded = columnar.decode(batch, found.__getitem__)
    assert time.process_time() - began < 5
    assert decoded.bad == []
    seen = {}
    for frame in decoded.frames:
        assert len(frame.schema["event_details"].fields) < 40  # type: ignore[attr-defined]
        for row, details in zip(frame["row"], frame["event_details"], strict=True):
            seen[row] = details[f"x{row + 1}"]
    assert seen == {row: row + 1 for row in range(300)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("in_array", [False, True])
@pytest.mark.parametrize(("kind", "most", "ends"), [("int", 2**30, b"\x10\x18"), ("long", 2**62, b"\x03\x7f")])
def test_an_integer_with_more_bits_than_its_type(kind: str, most: int, ends: bytes, in_array: bool, size: int) -> None:
    """It is refused by whichever way it is read, never stored without its highest bits."""
    text = json.loads(_TEXT)
    (details,) = (field for field in text["fields"] if field["name"] == "event_details")
    details["type"]["fields"].append({"name": "last", "type": {"type": "array", "items": kind} if in_array else kind})
    schema = EventSchema.parse(json.dumps(text))
    event = numbered_purchase(1, "lamp")
    event["event_details"] = {**event["event_details"], "last": [most] if in_array else most}
    good = wire.pack(7, codec_of(schema).encode(event))
    after = b"\0" if in_array else b""
    last = len(good) - len(after) - 1
    batch: list[bytes | None] = [good] * size
    batch[3 : 3 + len(ends)] = [good[:last] + bytes([end]) + after for end in ends]
    decoded = columnar.decode(batch, lambda _: schema)
    assert [(bad.row, bad.error_class) for bad in decoded.bad] == [(3 + i, "BadVarint") for i in range(len(ends))]
    assert decoded.frame.height == size - len(ends)


def _frame(size: int) -> pl.DataFrame:
    frame = columnar.decode([_good(i) for i in range(size)], lambda _: SCHEMA).frame
    return frame.with_columns(pl.col("row") + 100)


def _trips(column: str, value: object, error: BaseException) -> Callable[[pl.DataFrame], pl.DataFrame]:
    def step(frame: pl.DataFrame) -> pl.DataFrame:
        if value in frame[column].to_list():
            raise error
        return frame

    return step


def test_a_row_that_cannot_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It alone is bad, by its number in the batch."""
    trips = _trips("row", 103, _NoException("panic"))
    module = sys.modules[ready.__module__]
    monkeypatch.setattr(module, "unstorable", lambda frame, _kind: trips(frame)["row"].to_list()[:0])
    frame, _, bad = ready(_frame(9), None, "purchase")
    assert [(one.row, one.error_class, one.message) for one in bad] == [(103, "_NoException", "panic")]
    assert frame["row"].to_list() == [r for r in range(100, 109) if r != 103]


def test_a_row_that_cannot_be_written() -> None:
    """The sink is asked again without it; where the rows are not to blame, what it raises goes through."""
    trips = _trips("row", 104, _NoException("panic"))
    made, bad = encoded(lambda frames: [trips(frame).height for frame in frames], [_frame(4), _frame(9)])
    assert (made, [(one.row, one.stage) for one in bad]) == ([4, 8], [(104, "TASK_PUT")])
    with pytest.raises(ConnectionError):
        encoded(_refuse_many, [_frame(4), _frame(5)])


def _refuse_many(frames: Any) -> int:
    if len(frames) > 1:
        raise ConnectionError
    return 0


def test_any_broken_records() -> None:
    """Mutated, random, with hostile ids, of schemas that are none: a frame and reasons come out, nothing else."""
    randoms = random.Random(20)
    other = json.loads(_TEXT)
    other["fields"][5]["type"]["fields"] += [
        {"name": "more", "type": {"type": "map", "values": ["null", "long", "string"]}},
        {"name": "some", "type": {"type": "array", "items": {"type": "array", "items": "boolean"}}},
        {"name": "cost", "type": {"type": "bytes", "logicalType": "decimal", "precision": 900, "scale": 3}},
    ]
    wide = EventSchema.parse(json.dumps(other))

    def schema_for(schema_id: SchemaRef) -> EventSchema:
        if schema_id in (7, 8):
            return SCHEMA if schema_id == 7 else wide
        if isinstance(schema_id, uuid.UUID) or schema_id % 3:
            raise UnknownSchema(schema_id)
        raise SchemaError("it asks for too much")

    good = _good(3)
    rich = wire.pack(8, good[5:] + b"\x02\x02a\x02\x0e\x00" + b"\x02\x04\x01\x00\x00\x00" + b"\x04\x7f\xff")
    assert not columnar.decode([rich], schema_for).bad
    values = [_mutated(randoms, good if i % 2 else rich) for i in range(examples(3000))]
    for begin in range(0, len(values), 1_000):
        batch = values[begin : begin + 1_000]
        decoded = columnar.decode(batch, schema_for)
        rows = [row for frame in decoded.frames for row in frame["row"]] + [bad.row for bad in decoded.bad]
        assert sorted(rows) == list(range(len(batch)))
        for frame in decoded.frames:
            kept, _, bad = ready(frame, None, "purchase")
            assert kept.height + len(bad) == frame.height
    for value in values[:1_000]:
        told = decode(value, schema_for)
        assert (told.event is None) == bool(told.reason)


def _mutated(randoms: random.Random, value: bytes) -> bytes | None:
    match randoms.randrange(7):
        case 0:
            return None
        case 1:
            return randoms.randbytes(randoms.randrange(60))
        case 2:
            return value[:5] + randoms.randbytes(randoms.randrange(200))
        case 3:
            return b"\0" + randoms.choice([0, 1, 9, 2**31, 2**32 - 1, randoms.randrange(2**32)]).to_bytes(4) + value[5:]
        case 4:
            at = randoms.randrange(5, len(value))
            return value[:at] + bytes([randoms.randrange(256)]) + value[at + 1 :]
        case 5:
            at = randoms.randrange(5, len(value))
            return value[:at] + randoms.choice([b"\xff" * 10, b"\xfe\xff\xff\xff\x0f", b"\0" * 9]) + value[at:]
        case _:
            return value[: randoms.randrange(len(value))]
