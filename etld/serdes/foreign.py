"""Events that were written with a schema of another producer (see `schemas.foreign`), in etld's form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.events import times
from etld.events.limits import FIELDS, TIME_MAX, TIME_MIN

if TYPE_CHECKING:
    from etld.schemas.event_schema import EventSchema


def micros_of(text: str) -> int | None:
    """A time as text in microseconds since 1970, None for what is none; without a zone it is in UTC."""
    try:
        return times.parse_time(text)
    except ValueError:
        return None


def resolved(schema: EventSchema, event: dict[str, Any]) -> dict[str, Any]:
    """A decoded event in JSON's words with etld's fields; what is no time stays as it is."""
    if schema.time is None:
        return event
    return {name: event[name] if name != "triggered_at" else _time(schema.time, event[name]) for name in FIELDS}


def _time(kind: str, value: Any) -> Any:
    if isinstance(value, str):
        if kind.startswith("local-"):
            return f"{value}Z"
        micros = micros_of(value)
        return value if micros is None else times.format_time(micros)
    if isinstance(value, int) and kind.endswith("nanos") and TIME_MIN <= value // 1000 <= TIME_MAX:
        return times.format_time(value // 1000)
    return value
