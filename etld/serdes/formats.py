"""The formats that etld knows. A new one is a folder beside `avro/` and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.serdes.avro.format import AvroFormat
from etld.serdes.base import BadRecord, DecodedBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.serdes.base import Format, SchemaFor

#: The first is the one that etld writes; each value is read by the one that recognises it.
FORMATS: tuple[Format, ...] = (AvroFormat(),)


def written() -> Format:
    """The format of what etld writes."""
    return FORMATS[0]


def recognised(value: bytes) -> Format | None:
    """The format of a value, None when it is in none of them."""
    return next((one for one in FORMATS if one.recognises(value)), None)


def decode_batch(
    values: Sequence[bytes | None], schema_for: SchemaFor, formats: Sequence[Format] | None = None
) -> DecodedBatch:
    """The events of a batch; what is in no format is bad, for the reason that the first format gives.

    `formats` are all that etld knows.
    """
    first, *others = formats or FORMATS
    if not others:
        return first.decode_batch(values, schema_for)
    rows: dict[Format, list[int]] = {}
    for row, value in enumerate(values):
        one = next((one for one in others if value is not None and one.recognises(value)), first)
        rows.setdefault(one, []).append(row)
    if len(rows) <= 1:
        return next(iter(rows), first).decode_batch(values, schema_for)
    return _joined([(mine, one.decode_batch([values[row] for row in mine], schema_for)) for one, mine in rows.items()])


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
