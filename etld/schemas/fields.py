"""Which type a field of an event type has, read from its Avro schema as JSON; standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from etld.summaries.model import COLUMNS, DETAILS

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN = {
    "string": "text",
    "enum": "text",
    "int": "integer",
    "long": "bigint",
    "float": "real",
    "double": "double precision",
    "boolean": "boolean",
}


@dataclass(frozen=True, slots=True)
class Known:
    """A field's PostgreSQL type."""

    type: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why a path leads to nothing that a summary can use."""

    reason: str


def lookup(schema: Mapping[str, Any], path: str) -> Known | Unknown:
    """The type of the field at `path` ("event_details.price") in a record schema."""
    parts = path.split(".")
    if path == "event_id":
        return Unknown("is another in each event")
    if parts[0] in COLUMNS and len(parts) == 1:
        return Known("timestamptz" if path == "triggered_at" else "text")
    if parts[0] not in DETAILS or len(parts) == 1:
        return Unknown(_unknown(parts[0], sorted(COLUMNS | {f"{name}.…" for name in DETAILS})))
    named: dict[str, Mapping[str, Any]] = {}
    _collect(schema, named)
    here: Any = schema
    for i, part in enumerate(parts):
        record = _resolve(here, named)
        fields = record.get("fields") if isinstance(record, dict) and record.get("type") == "record" else None
        if not isinstance(fields, list):
            return Unknown(f"{'.'.join(parts[:i])} has no fields")
        by_name = {field["name"]: field["type"] for field in fields if isinstance(field, dict) and "type" in field}
        if part not in by_name:
            return Unknown(_unknown(part, list(by_name), ".".join(parts[:i])))
        here = by_name[part]
    return _leaf(_resolve(here, named))


def _leaf(schema: Any) -> Known | Unknown:
    kind = schema.get("type") if isinstance(schema, dict) else schema
    logical = schema.get("logicalType") if isinstance(schema, dict) else None
    if logical == "decimal":
        return Known("numeric")
    if logical is not None and logical != "uuid":
        return Unknown(f"is a {logical}, and a summary takes plain text, numbers and booleans")
    if isinstance(kind, str) and kind in _PLAIN:
        return Known(_PLAIN[kind])
    what = kind if isinstance(kind, str) else "union of several types"
    return Unknown(f"is a {what}, and a summary takes plain text, numbers and booleans")


def _resolve(schema: Any, named: Mapping[str, Mapping[str, Any]]) -> Any:
    """The schema itself, without a null beside it, and looked up when it is a name."""
    if isinstance(schema, list):
        others = [one for one in schema if one != "null"]
        if len(others) != 1:
            return {"type": others}
        schema = others[0]
    if isinstance(schema, str):
        return named.get(schema, schema)
    if isinstance(schema, dict) and isinstance(schema.get("type"), dict | list):
        return _resolve(schema["type"], named)
    return schema


def _collect(schema: Any, named: dict[str, Mapping[str, Any]], space: str = "") -> None:
    if isinstance(schema, list):
        for one in schema:
            _collect(one, named, space)
    elif isinstance(schema, dict):
        space = schema.get("namespace", space)
        if schema.get("type") in ("record", "enum", "fixed") and isinstance(schema.get("name"), str):
            named.setdefault(schema["name"], schema)
            named.setdefault(f"{space}.{schema['name']}", schema)
        for field in schema.get("fields", ()):
            if isinstance(field, dict):
                _collect(field.get("type"), named, space)
        for key in ("type", "items", "values"):
            if isinstance(schema.get(key), dict | list):
                _collect(schema[key], named, space)


def _unknown(name: str, known: list[str], where: str = "") -> str:
    close = get_close_matches(name, known, 1)
    inside = f" in {where}" if where else ""
    if close:
        return f"no field {name!r}{inside}: did you mean {close[0]!r}?"
    return f"no field {name!r}{inside}; known: {', '.join(known)}"
