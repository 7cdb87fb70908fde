"""What a type of a schema is as a column, and decoded records as a frame of such columns: the same for any format."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from etld.events.limits import DATE_MAX, DATE_MIN, DAY_MICROS, FIELDS, TIME_MAX, TIME_MIN
from etld.serdes.as_json import as_json
from etld.serdes.base import DecodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.schemas.tree import Type

Convert = Callable[[Any], Any]

_PLAIN: dict[str, pl.DataType] = {
    "null": pl.String(),
    "boolean": pl.Boolean(),
    "int": pl.Int32(),
    "long": pl.Int64(),
    "float": pl.Float32(),
    "double": pl.Float64(),
    "string": pl.String(),
    "enum": pl.String(),
}
_LOGICAL: dict[str, pl.DataType] = {
    "date": pl.Date(),
    "time-millis": pl.Time(),
    "time-micros": pl.Time(),
    "timestamp-millis": pl.Datetime("ms", "UTC"),
    "timestamp-micros": pl.Datetime("us", "UTC"),
    "local-timestamp-millis": pl.Datetime("ms"),
    "local-timestamp-micros": pl.Datetime("us"),
    "uuid": pl.String(),
    "decimal": pl.String(),
}
# What is on the wire, as the range that every part can hold.
RANGES: dict[str, tuple[int, int]] = {
    "date": (DATE_MIN, DATE_MAX),
    "time-millis": (0, DAY_MICROS // 1000 - 1),
    "time-micros": (0, DAY_MICROS - 1),
    "timestamp-millis": (TIME_MIN // 1000, TIME_MAX // 1000),
    "timestamp-micros": (TIME_MIN, TIME_MAX),
    "local-timestamp-millis": (TIME_MIN // 1000, TIME_MAX // 1000),
    "local-timestamp-micros": (TIME_MIN, TIME_MAX),
}

#: No event at all.
EMPTY = pl.DataFrame(
    schema={
        "row": pl.UInt32,
        "event_id": pl.String,
        "event_name": pl.String,
        "event_type": pl.String,
        "triggered_at": pl.Datetime("us", "UTC"),
        "user_details": pl.Struct([]),
        "event_details": pl.Struct([]),
    }
)


#: The column type of what has none of its own (maps, unions of several types): JSON text as UTF-8. Nothing else is
#: binary in a frame of events, so that whoever writes JSON knows what is JSON already.
JSON_TEXT = pl.Binary()


def as_json_text(of: Type) -> bool:
    """Whether a type has no column type, so that its values become `JSON_TEXT`: maps and mixed unions."""
    return of.kind == "map" or of.several


def dtype(of: Type, *, physical: bool = False) -> pl.DataType:
    """The column type; `physical` gives times as the integers below them."""
    if as_json_text(of):
        return JSON_TEXT
    if of.kind == "record":
        return pl.Struct({f.name: dtype(f.type, physical=physical) for f in of.fields})
    if of.kind == "array" and of.items is not None:
        return pl.List(dtype(of.items, physical=physical))
    if of.kind == "union":
        only = next((branch for branch in of.branches if branch.kind != "null"), of.branches[0])
        return dtype(only, physical=physical)
    if of.logical in _LOGICAL and not (physical and of.logical in RANGES):
        return _LOGICAL[of.logical]
    if of.logical.startswith("time-"):
        return pl.Int64()
    return _PLAIN[of.kind]


def taken(top: Type) -> Type:
    """The record of the fields that become columns; a foreign schema may have more."""
    return replace(top, fields=tuple(f for f in top.fields if f.name in FIELDS))


def frame(top: Type, rows: Sequence[int], events: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Converted events (see `converter`) as a frame with their `row` numbers first."""
    columns = [pl.Series("row", rows, pl.UInt32())]
    for f in top.fields:
        below = dtype(f.type, physical=True)
        series = pl.Series(f.name, [event[f.name] for event in events], below, strict=True)
        columns.append(series.cast(dtype(f.type)))
    return pl.DataFrame(columns)


def converter(top: Type) -> Convert:
    """From a decoded event to the values of its columns; raises `DecodeError` for what none holds.

    triggered_at is not checked here: what is storable is decided on the frame.
    """
    parts = [(f.name, None if f.name == "triggered_at" else _convert(f.type, f.name)) for f in top.fields]

    def convert(event: dict[str, Any]) -> dict[str, Any]:
        return {name: event[name] if part is None else part(event[name]) for name, part in parts}

    return convert


def _convert(of: Type, path: str) -> Convert | None:
    """None: the value is taken as it is."""
    if as_json_text(of):
        return lambda value: None if value is None else _json_text(of, value, path)
    if of.kind == "record":
        parts = [(f.name, _convert(f.type, f"{path}.{f.name}")) for f in of.fields]
        if all(part is None for _, part in parts):
            return None
        return lambda value: {name: value[name] if part is None else part(value[name]) for name, part in parts}
    if of.kind == "array" and of.items is not None:
        inner = _convert(of.items, f"{path}[]")
        return None if inner is None else (lambda value: [inner(item) for item in value])
    if of.kind == "union":
        only = next((branch for branch in of.branches if branch.kind != "null"), None)
        taken = None if only is None else _convert(only, path)
        return None if taken is None else (lambda value: None if value is None else taken(value))
    if of.logical == "decimal":
        return lambda value: format(value, "f")
    return _in_range(of, path) if of.logical in RANGES else None


def _in_range(of: Type, path: str) -> Convert:
    low, high = RANGES[of.logical]
    # Polars keeps a time of day in nanoseconds.
    factor = {"time-millis": 1_000_000, "time-micros": 1000}.get(of.logical, 1)

    def convert(value: int) -> int:
        if not low <= value <= high:
            raise DecodeError("TimeOutOfRange", f"{path}: {value} is no {of.logical} within the years 1 to 9999")
        return value * factor

    return convert


def _json_text(of: Type, value: Any, path: str) -> bytes:
    plain = as_json(of, value)
    _storable(plain, path)
    return orjson.dumps(plain)


def _storable(value: Any, path: str) -> None:
    """JSON has no NaN, and orjson would write null without a word."""
    if isinstance(value, float) and not math.isfinite(value):
        raise DecodeError("NotFinite", f"{path}: holds a number that is not finite (NaN or infinity)")
    if isinstance(value, str) and "\0" in value:
        raise DecodeError("NulCharacter", f"{path}: holds the character U+0000, which PostgreSQL does not store")
    for item in value.items() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        _storable(item, path)
