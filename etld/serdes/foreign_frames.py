"""Frames of events that were written with a schema of another producer, with the columns of an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from etld.events.limits import FIELDS, TIME_MAX, TIME_MIN
from etld.serdes.base import STAGE, BadRecord
from etld.serdes.foreign import micros_of
from etld.util.text import shortened

if TYPE_CHECKING:
    from etld.schemas.event_schema import EventSchema

_MICROS = pl.Datetime("us", "UTC")


def resolved(schema: EventSchema, frame: pl.DataFrame, bad: list[BadRecord]) -> pl.DataFrame:
    """The frame in etld's form; a text that is no time makes its record bad."""
    if schema.time is None:
        return frame
    value = frame["triggered_at"]
    if value.dtype == pl.String:
        texts = value.to_list()
        micros = [None if text is None else micros_of(text) for text in texts]
        wrong = [at for at, text in enumerate(texts) if text is not None and micros[at] is None]
        rows = frame["row"].to_list()
        for at in wrong:
            told = f"triggered_at: {shortened(repr(texts[at]), 60)} is no time as RFC 3339"
            bad.append(BadRecord(rows[at], STAGE, "NotATime", told))
        made = pl.Series("triggered_at", micros, pl.Int64)
        frame = frame.with_columns(made).filter(~pl.col("row").is_in([rows[at] for at in wrong]))
        moment = pl.col("triggered_at")
    else:
        moment = _in_micros(pl.col("triggered_at").to_physical(), schema.time)
    columns = [moment.cast(_MICROS) if name == "triggered_at" else pl.col(name) for name in FIELDS]
    return frame.select("row", *columns)


def _in_micros(value: pl.Expr, kind: str) -> pl.Expr:
    if kind.endswith("millis"):
        # One beyond either end is as far out of range as any other, and does not overflow.
        return value.clip(TIME_MIN // 1000 - 1, TIME_MAX // 1000 + 1) * 1000
    return value // 1000 if kind.endswith("nanos") else value
