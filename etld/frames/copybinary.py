"""A frame as the bytes that `COPY … (FORMAT binary)` reads, without a Python loop over rows.

The format is PostgreSQL's (documentation of COPY, "Binary Format"): a header, for each row the number of its
fields and each field with its length before it, and a trailer; all integers big-endian. PostgreSQL reads it
a quarter faster than text, since it parses no UUID, no time and no quotes.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_NULL = pl.lit(b"\xff\xff\xff\xff")
# Microseconds from 1970, where Avro's times begin, to 2000, where PostgreSQL's do.
_EPOCH = 946_684_800_000_000
_NUMBERS = {"integer": ">i4", "bigint": ">i8", "timestamptz": ">i8"}


def to_binary(frame: pl.DataFrame, columns: Mapping[str, str]) -> bytes:
    """`columns` of the frame, each as the type of its column in the table (uuid, jsonb, timestamptz, integer,
    bigint, else text); needs storable rows.

    Null becomes SQL NULL. A struct becomes JSON, and so does any other type in a jsonb column.
    """
    if not frame.height:
        return _HEADER + _TRAILER
    fields = [_field(frame, name, kind) for name, kind in columns.items()]
    named = pl.DataFrame([field.alias(str(i)) for i, field in enumerate(_flat(fields))])
    count = pl.lit(len(columns).to_bytes(2))
    number = iter(range(named.width))
    row = reduce(add, (_with_length([pl.col(str(next(number))) for _ in field]) for field in fields), count)
    rows: list[bytes] = named.select(row).to_series().to_list()
    return b"".join([_HEADER, *rows, _TRAILER])


def json_text(column: str, dtype: pl.DataType) -> pl.Expr:
    """A column as JSON text; a null struct is a null, not the text `null`."""
    if isinstance(dtype, pl.Struct):
        value = pl.col(column)
        return pl.when(value.is_null()).then(None).otherwise(value.struct.json_encode()).alias(column)
    wrapped = pl.struct(pl.col(column).alias("v")).struct.json_encode()
    inner = wrapped.str.slice(5).str.head(-1)
    return pl.when(pl.col(column).is_null()).then(None).otherwise(inner).alias(column)


def _field(frame: pl.DataFrame, name: str, kind: str) -> list[pl.Series]:
    """[length and value in one] where all lengths are equal, else [length, value]."""
    column = frame[name]
    if kind in _NUMBERS:
        numbers = column.to_physical() - _EPOCH if kind == "timestamptz" else column
        return [_with_nulls(_packed(numbers.fill_null(0).to_numpy(), _NUMBERS[kind]), column)]
    if kind == "uuid":
        digits = bytes.fromhex(column.str.join().item().replace("-", ""))
        return [_packed(np.frombuffer(digits, "V16"), "V16")]
    if kind == "jsonb":
        # The first byte is the version of jsonb's binary form.
        text = frame.select(pl.lit("\x01") + json_text(name, frame.schema[name])).to_series()
    else:
        text = column
    value = text.cast(pl.Binary)
    return [_bytes(value.bin.size().fill_null(0).to_numpy().astype(">i4")), value]


def _with_length(parts: list[pl.Expr]) -> pl.Expr:
    return parts[0] if len(parts) == 1 else (parts[0] + parts[1]).fill_null(_NULL)


def _with_nulls(packed: pl.Series, column: pl.Series) -> pl.Series:
    if not column.null_count():
        return packed
    return pl.select(pl.when(column.is_null()).then(_NULL).otherwise(packed)).to_series()


def _packed(values: np.ndarray[Any, Any], dtype: str) -> pl.Series:
    """Values of one size, each with its length before it."""
    records = np.empty(len(values), [("length", ">i4"), ("value", dtype)])
    records["length"] = records.dtype["value"].itemsize
    records["value"] = values
    return _bytes(records)


def _bytes(records: np.ndarray[Any, Any]) -> pl.Series:
    """The bytes of each element."""
    octets = records.view(np.uint8).reshape(len(records), records.dtype.itemsize)
    return pl.Series(octets).cast(pl.List(pl.UInt8)).cast(pl.Binary)


def _flat(fields: list[list[pl.Series]]) -> list[pl.Series]:
    return [series for field in fields for series in field]
