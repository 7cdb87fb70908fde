"""Columns as JSON text, natively."""

from __future__ import annotations

import json

import polars as pl

from etld.serdes.columns import JSON_TEXT

_NULL = pl.lit("null")


def column(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column as JSON text; a null struct is a null, not the text `null`. What is JSON text already goes in as it is.

    A struct's keys come in the order in which jsonb keeps them, shorter ones first: PostgreSQL need not sort.
    """
    value = pl.col(name)
    if holds_json(dtype):
        text = _embedded(value, dtype)
    elif isinstance(dtype, pl.Struct):
        names = [field.name for field in dtype.fields]
        ordered = sorted(names, key=lambda name: (len(name.encode()), name.encode()))
        whole = value if ordered == names else pl.struct(value.struct.field(name) for name in ordered)
        text = whole.struct.json_encode()
    else:
        text = _plain(value, dtype)
    return pl.when(value.is_null()).then(None).otherwise(text).alias(name)


def holds_json(dtype: object) -> bool:
    """Is a column of this type JSON text, or has some inside?"""
    if isinstance(dtype, pl.Struct):
        return any(holds_json(field.dtype) for field in dtype.fields)
    return holds_json(dtype.inner) if isinstance(dtype, pl.List) else dtype == JSON_TEXT


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
        apart = [field for field in dtype.fields if holds_json(field.dtype)]
        rest = [field.name for field in dtype.fields if not holds_json(field.dtype)]
        # All that has no JSON text inside at once, without its closing brace.
        parts = [pl.struct(value.struct.field(name) for name in rest).struct.json_encode().str.head(-1)] if rest else []
        for i, field in enumerate(apart):
            key = ("," if parts or i else "{") + json.dumps(field.name) + ":"
            parts += [pl.lit(key), _embedded(value.struct.field(field.name), field.dtype)]
        return _or_null(value, pl.concat_str([*parts, pl.lit("}")]))
    return value.cast(pl.String).fill_null("null") if dtype == JSON_TEXT else _plain(value, dtype)


def _or_null(value: pl.Expr, text: pl.Expr) -> pl.Expr:
    return pl.when(value.is_null()).then(_NULL).otherwise(text)


def _plain(value: pl.Expr, dtype: object) -> pl.Expr:
    """A value without JSON text inside."""
    if isinstance(dtype, pl.Struct):
        return _or_null(value, value.struct.json_encode())
    return pl.struct(value.alias("v")).struct.json_encode().str.slice(5).str.head(-1)
