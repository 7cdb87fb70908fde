"""The Avro schema of an event type, and what etld asks of it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.events.limits import FIELDS, FLOAT_MAX, storable_text
from etld.schemas import foreign, tree
from etld.schemas.fields import DETAILS
from etld.schemas.tree import SchemaError, Type
from etld.util.text import one_line, shortened, thousands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from etld.schemas.tree import RecordField

_ENDLESS = "an array of values without bytes says nothing but its length"
# Of the reasons against a schema.
_MOST_TOLD, _LONGEST = 10, 500
_TOP = dict.fromkeys(("event_id", "event_name", "event_type"), "string")


# By identity: codecs and readers are kept by their schema.
@dataclass(frozen=True, eq=False)
class EventSchema:
    """A schema that events can be written and read with. Make it with `parse`."""

    text: str
    tree: Type
    #: None for a schema of etld's own form; else how triggered_at is written, see `etld.schemas.foreign`.
    time: str | None = None

    @classmethod
    def parse(cls, text: str) -> EventSchema:
        """The schema of that JSON text; raises `SchemaError` with the reasons against it."""
        top = _record(text)
        reasons = list(_problems(top))
        if reasons:
            raise SchemaError(_joined(reasons))
        return cls(text, top)

    @classmethod
    def read(cls, text: str, renames: Mapping[str, str] | None = None) -> EventSchema:
        """As `parse`, and of another producer's schema if events can be made of its records.

        `renames` are names that fields had earlier, by the aliases of etld's own schema.
        """
        try:
            return cls._read(text, renames or {})
        except SchemaError:
            raise
        except Exception as error:
            # A stranger's schema that brings a mistake of ours to light must not stop whoever reads its records.
            raise SchemaError(f"schema: {type(error).__name__}: {one_line(error)}") from error

    @classmethod
    def _read(cls, text: str, renames: Mapping[str, str]) -> EventSchema:
        top = _record(text)
        if not any(_problems(top)):
            return cls(text, top)
        top = foreign.renamed(top, renames)
        time = foreign.time_kind(top, json.loads(text))
        reasons = [*foreign.problems(top, time), *(why for f in top.fields for why in _inside(f))]
        if reasons:
            raise SchemaError(_joined(reasons))
        return cls(text, top, time)


def problems(text: str) -> list[str]:
    """Every reason why etld cannot use a schema, each with its field; [] when it can."""
    try:
        return list(_problems(_record(text)))
    except SchemaError as error:
        return [str(error)]


def read_file(path: Path) -> str:
    """The text of a schema file; raises `SchemaError`."""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise SchemaError(error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise SchemaError("not UTF-8") from None


def _joined(reasons: list[str]) -> str:
    """The reasons, but not so many and so long that each dead letter with them is larger than its record."""
    told = [shortened(one, _LONGEST) for one in reasons[:_MOST_TOLD]]
    more = len(reasons) - len(told)
    return "; ".join(told) + (f"; and {thousands(more)} more" if more else "")


def _record(text: str) -> Type:
    top = tree.read(text)
    if top.kind != "record":
        raise SchemaError("schema: expected a record")
    return top


def _problems(top: Type) -> Iterator[str]:
    names = tuple(f.name for f in top.fields)
    if names != FIELDS:
        missing = [name for name in FIELDS if name not in names]
        extra = [name for name in names if name not in FIELDS]
        for name in missing:
            yield f"{name}: the field is missing"
        for name in extra:
            yield f"{name}: not a field of an event; move it into event_details"
        if not missing and not extra:
            yield f"schema: the fields must stand in the order {', '.join(FIELDS)}"
    for f in top.fields:
        if f.name in _TOP and f.type != Type("string"):
            yield f"{f.name}: must be a string"
        elif f.name == "triggered_at" and f.type != Type("long", "timestamp-micros"):
            yield "triggered_at: must be a long with logicalType timestamp-micros"
        elif f.name in DETAILS:
            if (f.type.optional or f.type).kind != "record":
                yield f"{f.name}: must be a record, or a union of null and a record"
            yield from _inside(f)


def _inside(field: RecordField) -> Iterator[str]:
    """What is wrong inside the details, and with an array anywhere."""
    found = _unusable(field.type, field.name)
    if field.name in DETAILS:
        yield from found
        yield from _bad_defaults(field.type, field.name)
    elif field.name not in FIELDS:
        yield from (why for why in found if why.endswith(_ENDLESS))


def _unusable(of: Type, path: str) -> Iterator[str]:
    if of.kind in ("bytes", "fixed") and of.logical != "decimal":
        yield f"{path}: {of.kind} cannot be written as JSON; use a string (base64), or a decimal"
    if of.kind == "array" and of.items is not None and _empty(of.items):
        yield f"{path}: {_ENDLESS}"
    for f in of.fields:
        yield from _unusable(f.type, f"{path}.{f.name}")
    if of.items is not None:
        yield from _unusable(of.items, f"{path}[]")
    for branch in of.branches:
        yield from _unusable(branch, path)


def _empty(of: Type) -> bool:
    """Whether a value of it takes no byte, so that an absurd count of them costs nothing to claim."""
    if of.kind == "fixed":
        return not of.size
    return of.kind == "null" or (of.kind == "record" and all(_empty(f.type) for f in of.fields))


def _bad_defaults(of: Type, path: str) -> Iterator[str]:
    for f in of.fields:
        below = f"{path}.{f.name}"
        if f.default and not _fits(f.type, f.default[0]):
            yield f"{below}: the default {json.dumps(f.default[0])} is no {_described(f.type)}"
        yield from _bad_defaults(f.type, below)
    for inner in (*of.branches, *((of.items,) if of.items else ())):
        yield from _bad_defaults(inner, path)


def _described(of: Type) -> str:
    return f"{of.branches[0].kind} (a default is of a union's first type)" if of.branches else of.kind


_SCALARS: Mapping[str, Callable[[Any], bool]] = {
    "int": lambda value: type(value) is int and -(1 << 31) <= value < 1 << 31,
    "long": lambda value: type(value) is int and -(1 << 63) <= value < 1 << 63,
    "float": lambda value: type(value) in (int, float) and abs(value) <= FLOAT_MAX,
    "double": lambda value: type(value) in (int, float) and abs(value) <= sys.float_info.max,
    "null": lambda value: value is None,
    "boolean": lambda value: type(value) is bool,
}


def _fits(of: Type, value: Any) -> bool:
    """Whether `value` is a default of that type in Avro's JSON encoding."""
    kind = of.kind
    if kind == "union":
        return _fits(of.branches[0], value)
    if kind == "record":
        return isinstance(value, dict) and all(
            _fits(f.type, value[f.name]) if f.name in value else bool(f.default) for f in of.fields
        )
    if of.items is not None:
        inner = of.items
        if kind == "array":
            return isinstance(value, list) and all(_fits(inner, item) for item in value)
        return isinstance(value, dict) and all(_fits(inner, item) for item in value.values())
    if kind == "enum":
        return value in of.symbols
    if kind in _SCALARS:
        return _SCALARS[kind](value)
    return isinstance(value, str) and storable_text(value)
