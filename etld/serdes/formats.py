"""The formats that etld knows. A new one is a folder beside `avro/` and a line here."""

from __future__ import annotations

from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING

from etld.serdes.avro import wire
from etld.serdes.avro.format import AvroFormat
from etld.serdes.base import BadRecord, DecodedBatch, DecodeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.serdes.base import Format, SchemaFor

_NONE: Mapping[int, bytes] = MappingProxyType({})
#: The record header that may name the schema of a value.
SCHEMA_HEADER = wire.SCHEMA_HEADER
#: The first is the one that etld writes; each value is read by the one that recognises it.
FORMATS: tuple[Format, ...] = (AvroFormat(),)


def written() -> Format:
    """The format of what etld writes."""
    return FORMATS[0]


def recognised(value: bytes) -> Format | None:
    """The format of a value, None when it is in none of them."""
    return next((one for one in FORMATS if one.recognises(value)), None)


def framed(values: Sequence[bytes | None], headers: Mapping[int, bytes]) -> Sequence[bytes | None]:
    """The values as whoever has no headers needs them; what a header does not help stays as it is."""
    if not headers:
        return values
    made = list(values)
    for row, header in headers.items():
        value = values[row]
        with suppress(DecodeError):
            made[row] = None if value is None else written().framed(value, header)
    return made


def decode_batch(
    values: Sequence[bytes | None],
    schema_for: SchemaFor,
    formats: Sequence[Format] | None = None,
    headers: Mapping[int, bytes] = _NONE,
) -> DecodedBatch:
    """The events of a batch; what is in no format is bad, for the reason that the first format gives.

    `headers`: by row, the record header that names a value's schema, where there is one: it is the first format's.
    `formats` are all that etld knows.
    """
    first, *others = formats or FORMATS
    if not others:
        return first.decode_batch(values, schema_for, headers)
    rows: dict[Format, list[int]] = {}
    for row, value in enumerate(values):
        told = value is None or row in headers
        one = first if told else next((one for one in others if one.recognises(value)), first)  # type: ignore[arg-type]
        rows.setdefault(one, []).append(row)
    if len(rows) <= 1:
        return next(iter(rows), first).decode_batch(values, schema_for, headers)
    parts = []
    for one, mine in rows.items():
        there = {at: headers[row] for at, row in enumerate(mine) if row in headers}
        parts.append((mine, one.decode_batch([values[row] for row in mine], schema_for, there)))
    return _joined(parts)


def _joined(parts: list[tuple[list[int], DecodedBatch]]) -> DecodedBatch:
    """Batches that are parts of one, each with its rows in that one."""
    import polars as pl

    frames, bad = [], []
    for rows, decoded in parts:
        for frame in decoded.frames:
            if frame.height:
                places = pl.Series("row", rows, pl.UInt32()).gather(frame["row"])
                frames.append(frame.with_columns(places))
        bad += [BadRecord(rows[one.row], one.stage, one.error_class, one.message) for one in decoded.bad]
    bad.sort(key=lambda one: one.row)
    return DecodedBatch(frames or [parts[0][1].frames[0].clear()], bad)
