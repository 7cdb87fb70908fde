"""One event to bytes and back, exactly."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import fastavro

from etld.events import times
from etld.events.limits import DATE_MAX, DATE_MIN, DAY_MICROS, TIME_MAX, TIME_MIN
from etld.schemas.tree import Type
from etld.serdes.avro import strict_reader

if TYPE_CHECKING:
    from etld.schemas.event_schema import EventSchema

_DECIMAL = Type("bytes", "decimal")


def encode(schema: EventSchema, event: dict[str, Any]) -> bytes:
    """The Avro body of an event as `Validator` gives it: times are integers, decimals `Decimal`.

    Raises TypeError, ValueError, AttributeError or LookupError for a dict that is no such event.
    """
    write = schema.write
    if write is not None:
        out = bytearray()
        write(event, out)
        return bytes(out)
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema.writer, event)
    return buffer.getvalue()


def decode(schema: EventSchema, body: bytes) -> dict[str, Any]:
    """The event of a body, in the form that `encode` takes; raises `DecodeError` with the field."""
    value: dict[str, Any]
    if not schema.has_decimal:
        # fastavro is fast and lenient: believed when it writes the very same bytes again.
        try:
            value = fastavro.schemaless_reader(io.BytesIO(body), schema.plain)  # type: ignore[assignment]
            if encode(schema, value) == body:
                return value
        except Exception:  # whatever it trips over, the strict reader says it in words
            pass
    value = strict_reader.read(schema.tree, body)
    return value


def to_json(schema: EventSchema, event: dict[str, Any]) -> dict[str, Any]:
    """A decoded event as a client would send it: times as RFC 3339, decimals as text.

    A time that has no such text stays an integer.
    """
    plain: dict[str, Any] = type_to_json(schema.tree, event)
    return plain


def type_to_json(of: Type, value: Any) -> Any:
    """As `to_json`, for a value of any type."""
    if value is None:
        return None
    if of.kind == "record":
        return {f.name: type_to_json(f.type, value[f.name]) for f in of.fields}
    if of.kind == "union":
        only = of.optional
        return value if only is None and not isinstance(value, Decimal) else type_to_json(only or _DECIMAL, value)
    if of.items is not None:
        inner = of.items
        if of.kind == "array":
            return [type_to_json(inner, item) for item in value]
        return {key: type_to_json(inner, item) for key, item in value.items()}
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
