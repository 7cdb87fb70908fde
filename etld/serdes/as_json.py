"""Decoded values as JSON has them: the same for any format."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from etld.events import times
from etld.events.limits import DATE_MAX, DATE_MIN, DAY_MICROS, TIME_MAX, TIME_MIN

if TYPE_CHECKING:
    from etld.schemas.tree import Type

_FLOAT = struct.Struct("<f")
_DIGITS = (6, 7, 8, 9)
_SMALLEST_NORMAL = 2.0**-126


def as_json(of: Type, value: Any) -> Any:
    """A decoded value of a type as a client would send it: times as RFC 3339, decimals as text.

    A time that has no such text stays an integer.
    """
    if value is None:
        return None
    if of.kind == "record":
        return {f.name: as_json(f.type, value[f.name]) for f in of.fields}
    if of.kind == "union":
        # Of null and one type the value is by itself, see `BranchValue`.
        return as_json(of.branches[value.branch], value.value) if of.several else as_json(of.not_null[0], value)
    if of.items is not None:
        inner = of.items
        if of.kind == "array":
            return [as_json(inner, item) for item in value]
        return {key: as_json(inner, item) for key, item in value.items()}
    if of.kind == "float":
        return _shortest(value)
    return _scalar(of, value) if of.logical else value


def _shortest(value: float) -> float:
    """The number of the fewest digits that is the same float of 32 bits: 0.1 rather than 0.10000000149011612."""
    # So many make it certain, and near 0, where a float has fewer, fewer do.
    for digits in _DIGITS if abs(value) >= _SMALLEST_NORMAL else range(1, 10):
        short = float(f"{value:.{digits}g}")
        try:
            if _FLOAT.unpack(_FLOAT.pack(short))[0] == value:
                return short
        except OverflowError:
            continue
    return value


def _scalar(of: Type, value: Any) -> Any:
    if of.logical == "decimal":
        return format(value, "f")
    if of.logical == "uuid":
        return value
    if of.logical == "date":
        return times.format_time(value * DAY_MICROS)[:10] if DATE_MIN <= value <= DATE_MAX else value
    micros = value * 1000 if of.logical.endswith("millis") else value
    if of.logical.startswith("time-"):
        return times.format_time(micros)[11:-1] if 0 <= micros < DAY_MICROS else value
    if not TIME_MIN <= micros <= TIME_MAX:
        return value
    text = times.format_time(micros)
    return text[:-1] if of.logical.startswith("local-") else text
