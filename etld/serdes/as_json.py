"""Decoded values as JSON has them: the same for any format."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from etld.events import times
from etld.events.limits import DATE_MAX, DATE_MIN, DAY_MICROS, TIME_MAX, TIME_MIN
from etld.schemas.tree import Type

_DECIMAL = Type("bytes", "decimal")


def as_json(of: Type, value: Any) -> Any:
    """A decoded value of a type as a client would send it: times as RFC 3339, decimals as text.

    A time that has no such text stays an integer.
    """
    if value is None:
        return None
    if of.kind == "record":
        return {f.name: as_json(f.type, value[f.name]) for f in of.fields}
    if of.kind == "union":
        only = of.optional
        return value if only is None and not isinstance(value, Decimal) else as_json(only or _DECIMAL, value)
    if of.items is not None:
        inner = of.items
        if of.kind == "array":
            return [as_json(inner, item) for item in value]
        return {key: as_json(inner, item) for key, item in value.items()}
    return _scalar(of, value) if of.logical else value


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
