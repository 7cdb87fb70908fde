"""A field of the events as a column of one type, whatever type the schemas of their producers give it.

A value that the column does not hold is null, by the rule of `etld.summaries.model`, which the recompute follows too.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from etld.serdes import json_text
from etld.serdes.columns import JSON_TEXT
from etld.summaries.model import NUMBER, NUMBER_TEXT, SIZES, WHOLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.summaries.model import EventField

_DTYPES: dict[str, Any] = {
    "text": pl.String,
    "boolean": pl.Boolean,
    "integer": pl.Int64,
    "bigint": pl.Int64,
    "real": pl.Float32,
    "double precision": pl.Float64,
    "numeric": pl.String,
    "timestamptz": pl.Int64,
}
# PostgreSQL's numeric has no digit behind it, and no row of processed_events such a number.
_SMALLEST_POWER = -16_383
_INTEGERS = (pl.Int32, pl.Int64)
# The column types that are made into a summary's natively.
_NATIVE: dict[str, tuple[Any, ...]] = {
    "text": (pl.String,),
    "boolean": (pl.Boolean,),
    "integer": _INTEGERS,
    "bigint": _INTEGERS,
    "real": (*_INTEGERS, pl.Float32),
    "double precision": (*_INTEGERS, pl.Float32, pl.Float64),
    "numeric": (*_INTEGERS, pl.Float32, pl.Float64, pl.String),
}


def field_value(frame: pl.DataFrame, field: EventField) -> pl.Expr:
    """A field of the frame's rows in the type that its column has; null where they have none that it holds."""
    first, *rest = field.path
    dtype: Any = frame.schema.get(first)
    value = pl.col(first)
    nothing = pl.lit(None, dtype=_DTYPES[field.type])
    while rest and dtype != JSON_TEXT:
        inner = {f.name: f.dtype for f in dtype.fields} if isinstance(dtype, pl.Struct) else {}
        part = rest.pop(0)
        if part not in inner:
            return nothing
        dtype = inner[part]
        value = value.struct.field(part)
    if field.type == "timestamptz":
        return value.dt.epoch("us")
    if dtype in _NATIVE[field.type]:
        return _native(value, dtype, field.type)
    if isinstance(dtype, pl.Struct | pl.List):
        return nothing
    return pl.lit(_read(frame.select(value).to_series(), rest, field.type))


def _native(value: pl.Expr, dtype: Any, kind: str) -> pl.Expr:
    if kind == "numeric":
        if dtype == pl.String:
            return pl.when(value.str.contains(NUMBER) & (value.str.len_bytes() < NUMBER_TEXT)).then(value)
        # By way of the text that also stands in the table's jsonb: 19.99 is 19.99.
        return value.cast(pl.String)
    if kind == "double precision" and dtype == pl.Float32:
        return value.cast(pl.String).cast(pl.Float64)
    if kind == "integer" and dtype == pl.Int64:
        value = value.cast(pl.Int32, strict=False)
    return value.cast(_DTYPES[kind])


def _read(values: pl.Series, path: Sequence[str], kind: str) -> pl.Series:
    """The values below a path, by way of their JSON in the table."""
    found = [None if text is None else _counts(_below(text, path), kind) for text in json_text.column(values)]
    dtype = pl.Boolean if kind == "boolean" else pl.String
    return pl.Series(found, dtype=dtype).cast(_DTYPES[kind])


def _below(text: str, path: Sequence[str]) -> Any:
    """What stands at a path in JSON; its numbers as `Decimal`."""
    value = json.loads(text, parse_int=Decimal, parse_float=Decimal)
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _counts(value: Any, kind: str) -> str | bool | None:
    """A value as its text if it counts, else None; a boolean as it is."""
    if kind == "text":
        return value if isinstance(value, str) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, str) and len(value) < NUMBER_TEXT and re.fullmatch(NUMBER[1:-1], value):
        value = Decimal(value)
    if not isinstance(value, Decimal):
        return None
    if kind in WHOLE:
        low, high = WHOLE[kind]
        return str(int(value)) if low <= value <= high and value == value.to_integral_value() else None
    if kind in SIZES:
        small, large = SIZES[kind]
        return str(value) if not value or Decimal(small) <= value.copy_abs() <= Decimal(large) else None
    return f"{value:f}" if value.adjusted() >= _SMALLEST_POWER else None
