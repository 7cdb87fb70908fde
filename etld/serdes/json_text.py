"""Columns as JSON text, natively."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl

from etld.serdes.columns import JSON_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping

_NULL = pl.lit("null")


def column(values: pl.Series) -> pl.Series:
    """A column as JSON text; a null struct is a null, not the text `null`. What is JSON text already goes in as it is.

    A struct's keys come in the order in which jsonb keeps them, shorter ones first: PostgreSQL need not sort.
    """
    if isinstance(values.dtype, pl.Struct) and values.dtype.fields:
        # Its fields as columns: an expression looks for each of them among all others.
        fields = values.struct.unnest()
        types: dict[str, object] = dict(fields.schema)
        ordered = sorted(types, key=lambda name: (len(name.encode()), name.encode()))
        if holds_json(values.dtype):
            nested = [name for name in ordered if isinstance(types[name], pl.Struct) and holds_json(types[name])]
            inner = [column(fields[name]) for name in nested]
            fields, types = fields.with_columns(inner), types | {one.name: JSON_TEXT for one in inner}
            text = fields.select(_object({name: (pl.col(name), types[name]) for name in ordered})).to_series()
        else:
            text = fields.select(ordered).to_struct().struct.json_encode()
    else:
        frame = values.to_frame("value")
        value = pl.col("value")
        way = _embedded if holds_json(values.dtype) else _plain
        text = frame.select(way(value, values.dtype)).to_series()
    if values.null_count():
        text = text.zip_with(values.is_not_null(), pl.Series([None], dtype=pl.String))
    return text.alias(values.name)


def holds_json(dtype: object) -> bool:
    """Is a column of this type JSON text, or has some inside?"""
    if isinstance(dtype, pl.Struct):
        return any(holds_json(field.dtype) for field in dtype.fields)
    # Not by ==, which takes its time for each of many fields.
    return holds_json(dtype.inner) if isinstance(dtype, pl.List) else isinstance(dtype, type(JSON_TEXT))


def with_text(dtype: object) -> pl.DataType:
    """The type with JSON text as a string."""
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: with_text(field.dtype) for field in dtype.fields})
    if isinstance(dtype, pl.List):
        return pl.List(with_text(dtype.inner))
    return pl.String() if dtype == JSON_TEXT else dtype  # type: ignore[return-value]


def _embedded(value: pl.Expr, dtype: object) -> pl.Expr:
    """A value as JSON, null as `null`; piece by piece, since Polars would quote JSON text."""
    if isinstance(dtype, pl.List):
        items = value.list.eval(_embedded(pl.element(), dtype.inner)).list.join(",")
        return _or_null(value, pl.concat_str([pl.lit("["), items, pl.lit("]")]))
    if isinstance(dtype, pl.Struct) and holds_json(dtype):
        return _or_null(value, _object({one.name: (value.struct.field(one.name), one.dtype) for one in dtype.fields}))
    return value.cast(pl.String).fill_null("null") if dtype == JSON_TEXT else _plain(value, dtype)


def _object(fields: Mapping[str, tuple[pl.Expr, object]]) -> pl.Expr:
    """Fields with their types as an object."""
    rest = [value.alias(name) for name, (value, dtype) in fields.items() if not holds_json(dtype)]
    # All that has no JSON text inside at once, without its closing brace.
    parts = [pl.struct(rest).struct.json_encode().str.head(-1)] if rest else []
    for name, (value, dtype) in fields.items():
        if holds_json(dtype):
            parts += [pl.lit(("," if parts else "{") + json.dumps(name) + ":"), _embedded(value, dtype)]
    return pl.concat_str([*parts, pl.lit("}")])


def _or_null(value: pl.Expr, text: pl.Expr) -> pl.Expr:
    return pl.when(value.is_null()).then(_NULL).otherwise(text)


def _plain(value: pl.Expr, dtype: object) -> pl.Expr:
    """A value without JSON text inside."""
    if isinstance(dtype, pl.Struct):
        return _or_null(value, value.struct.json_encode())
    return pl.struct(value.alias("v")).struct.json_encode().str.slice(5).str.head(-1)
