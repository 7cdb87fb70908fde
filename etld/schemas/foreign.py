"""What other producers' schemas of events are to etld: the six fields under any name, in any order, with more beside.

Their records are read as they were written, then brought into etld's form: here the schema, in `serdes.foreign` frames
and events.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from etld.events.limits import FIELDS
from etld.schemas.tree import Type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEXT = "text"
#: How triggered_at may be written; nanoseconds are known here alone, as in no column of the details.
_TIMES = frozenset({"timestamp-millis", "timestamp-micros", "local-timestamp-millis", "local-timestamp-micros"})
_NANOS = frozenset({"timestamp-nanos", "local-timestamp-nanos"})
_NAMES = frozenset({"event_id", "event_name", "event_type"})


def renamed(top: Type, renames: Mapping[str, str]) -> Type:
    """The record with a field under etld's name where an alias tells it: its own, or one of `renames` (old to new)."""
    there = {field.name for field in top.fields}
    fields = []
    for field in top.fields:
        names = [name for name in (renames.get(field.name), *field.aliases) if name in FIELDS and name not in there]
        if field.name not in FIELDS and names:
            there.add(names[0])
            fields.append(replace(field, name=names[0]))
        else:
            fields.append(field)
    return replace(top, fields=tuple(fields))


def time_kind(top: Type, schema: Any) -> str:
    """How triggered_at is written: a logical type, `TEXT`, or "" for what is no time. `schema` is the record's JSON."""
    while isinstance(schema["type"], dict):
        schema = schema["type"]
    for field, entry in zip(top.fields, schema["fields"], strict=True):
        if field.name == "triggered_at":
            of = field.type.optional or field.type
            nanos = _nanos(entry["type"]) if of.kind == "long" else ""
            return TEXT if of.kind == "string" else nanos or (of.logical if of.logical in _TIMES else "")
    return ""


def _nanos(schema: Any) -> str:
    if isinstance(schema, list):
        return next((found for one in schema if (found := _nanos(one))), "")
    if isinstance(schema, dict):
        logical = schema.get("logicalType")
        return logical if logical in _NANOS else _nanos(schema.get("type"))
    return ""


def problems(top: Type, time: str) -> Iterator[str]:
    """Why events cannot be made of records of the schema, but for what is inside the details."""
    by_name = {field.name: field.type for field in top.fields}
    for name in FIELDS:
        if name not in by_name:
            yield f"{name}: the field is missing"
            continue
        of = by_name[name].optional or by_name[name]
        if name in _NAMES and of.kind not in ("string", "enum"):
            yield f"{name}: must be a string or an enum"
        elif name == "triggered_at" and not time:
            yield "triggered_at: must be a timestamp (a long with its logicalType) or a string with a time"
        elif name.endswith("_details") and of.kind != "record":
            yield f"{name}: must be a record, or a union of null and a record"
