"""A frame as the text that `COPY … (FORMAT csv)` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence


def json_text(column: str, dtype: pl.DataType) -> pl.Expr:
    """A column as JSON text; a null struct is a null, not the text `null`."""
    if isinstance(dtype, pl.Struct):
        value = pl.col(column)
        return pl.when(value.is_null()).then(None).otherwise(value.struct.json_encode()).alias(column)
    wrapped = pl.struct(pl.col(column).alias("v")).struct.json_encode()
    inner = wrapped.str.slice(5).str.head(-1)
    return pl.when(pl.col(column).is_null()).then(None).otherwise(inner).alias(column)


def to_csv(frame: pl.DataFrame, columns: Sequence[str], json_columns: Sequence[str]) -> bytes:
    """`columns` of the frame as CSV without a header, `json_columns` among them as JSON.

    Only `quote_style="necessary"` keeps NULL and the empty string apart for COPY.
    """
    chosen = [json_text(name, frame.schema[name]) if name in json_columns else pl.col(name) for name in columns]
    text: str = frame.select(chosen).write_csv(include_header=False, quote_style="necessary")
    return text.encode()
