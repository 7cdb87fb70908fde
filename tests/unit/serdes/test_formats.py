"""The seam between roles and formats: Avro behind it, and a second format beside it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etld.schemas.event_schema import EventSchema
from etld.schemas.registry import UnknownSchema
from etld.serdes import formats
from etld.serdes.avro import columnar
from etld.serdes.avro.format import AvroFormat
from etld.serdes.base import BadRecord, DecodedBatch, DecodeError
from support.events import as_avro, event

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = EventSchema.parse((ROOT / "schemas" / "purchase.avsc").read_text())
AVRO = AvroFormat()


class HashFormat(AvroFormat):
    """A format of the tests' own, `#` and JSON, of which batches are read and ids alone."""

    def recognises(self, value: bytes) -> bool:
        return value[:1] == b"#"

    def decode_batch(self, values: Sequence[bytes | None], schema_for: Any, headers: Any) -> DecodedBatch:
        ids, good, bad = [], [], []
        for row, value in enumerate(values):
            try:
                ids.append(json.loads((value or b"")[1:])["event_id"])
                good.append(row)
            except ValueError:
                bad.append(BadRecord(row, "VALUE_CONVERTER", "NotJson", "not JSON"))
        columns = [pl.Series("row", good, pl.UInt32()), pl.Series("event_id", ids, pl.String())]
        return DecodedBatch([pl.DataFrame(columns)], bad)


BOTH = (AVRO, HashFormat())


def _schema_for(schema_id: int) -> EventSchema:
    if schema_id != 7:
        raise UnknownSchema(schema_id)
    return SCHEMA


def _id(number: int) -> str:
    return str(uuid.UUID(int=number))


def _avro(number: int) -> bytes:
    return AVRO.encoder(SCHEMA, 7)(as_avro(event(event_id=_id(number))))


def _hashed(number: int) -> bytes:
    return b"#" + json.dumps({"event_id": _id(number)}).encode()


def test_avro_is_written() -> None:
    """And read back as the client sent it."""
    assert formats.written() is formats.FORMATS[0]
    value = _avro(1)
    form = formats.recognised(value)
    assert form is formats.written()
    assert form.schema_ref(value) == 7
    decoded = form.decode(SCHEMA, value)
    assert decoded["event_details"] == event()["event_details"]
    assert decoded["triggered_at"] == event()["triggered_at"]
    with pytest.raises(DecodeError):
        form.decode(SCHEMA, value[:-1])
    with pytest.raises(DecodeError):
        form.schema_ref(b"\0\0")


@pytest.mark.parametrize("value", [b"", b"{}", b"#", b"abc"])
def test_what_is_in_no_format(value: bytes) -> None:
    assert formats.recognised(value) is None


def test_one_format_takes_the_whole_batch() -> None:
    """Tombstones and what is in no format too: it says what is wrong with them."""
    batch = [_avro(0), None, b"{}", _avro(3)]
    decoded = formats.decode_batch(batch, _schema_for)
    assert decoded.bad == columnar.decode(batch, _schema_for).bad
    assert [one.error_class for one in decoded.bad] == ["Tombstone", "JsonInsteadOfAvro"]
    assert decoded.frame["row"].to_list() == [0, 3]


def test_two_formats_in_one_batch() -> None:
    """Each record by its own, with its row in the batch; what is in none is for the first."""
    batch = [_hashed(0), _avro(1), b"#{", None, _avro(4), b"abc", _hashed(6)]
    decoded = formats.decode_batch(batch, _schema_for, BOTH)
    assert {one.row: one.error_class for one in decoded.bad} == {2: "NotJson", 3: "Tombstone", 5: "BadMagicByte"}
    assert [one.row for one in decoded.bad] == [2, 3, 5]
    found = {row: event_id for frame in decoded.frames for row, event_id in frame.select("row", "event_id").iter_rows()}
    assert found == {row: _id(row) for row in (0, 1, 4, 6)}
    assert all(frame["row"].dtype == pl.UInt32 for frame in decoded.frames)


@pytest.mark.parametrize("batch", [[_avro(0), _avro(1)], [_hashed(0), _hashed(1)], []])
def test_a_batch_of_one_of_two_formats(batch: list[bytes | None]) -> None:
    decoded = formats.decode_batch(batch, _schema_for, BOTH)
    assert decoded.frame["event_id"].to_list() == [_id(row) for row in range(len(batch))]
    assert decoded.bad == []


def test_a_batch_without_a_good_record() -> None:
    decoded = formats.decode_batch([b"#{", None], _schema_for, BOTH)
    assert [one.row for one in decoded.bad] == [0, 1]
    assert decoded.frame.height == 0
