"""The Avro schema of an event type: what etld asks of it, and the forms its decoders need."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import fastavro

from etld.events.limits import FIELDS
from etld.schemas.tree import SchemaError, Type
from etld.schemas.tree import parse as parse_tree

__all__ = ["EventSchema", "SchemaError", "bare", "problems"]

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.serdes.avro.writer import Write

_TOP = dict.fromkeys(("event_id", "event_name", "event_type"), "string")


@dataclass(frozen=True)
class EventSchema:
    """A schema that events can be written and read with. Make it with `parse`."""

    text: str
    tree: Type
    raw: dict[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> EventSchema:
        """The schema of that JSON text; raises `SchemaError` with every reason against it."""
        raw, tree = _load(text)
        reasons = list(_problems(tree))
        if reasons:
            raise SchemaError("; ".join(reasons))
        return cls(text, tree, raw)

    @cached_property
    def has_decimal(self) -> bool:
        """Whether a decimal is anywhere in it."""
        return _has_decimal(self.tree)

    @cached_property
    def plain(self) -> Any:
        """For fastavro, without logical types: values are what is on the wire (times are integers)."""
        return fastavro.parse_schema(bare(self.tree, keep_decimal=False))

    @cached_property
    def write(self) -> Write | None:
        """A writer without detours, for every schema without decimals and mixed unions."""
        from etld.serdes.avro.writer import compile_writer

        return compile_writer(self.tree)

    @cached_property
    def writer(self) -> Any:
        """For fastavro's writer: as `plain`, but decimals are given as Decimal."""
        return fastavro.parse_schema(bare(self.tree, keep_decimal=True))


def problems(text: str) -> list[str]:
    """Every reason why etld cannot use a schema, each with its field; [] when it can."""
    try:
        _raw, tree = _load(text)
    except SchemaError as error:
        return [str(error)]
    return list(_problems(tree))


def bare(of: Type, *, keep_decimal: bool) -> Any:
    """The schema of a tree with names made anew, so that no name is used twice, and no logical types."""
    numbers = iter(range(1 << 30))

    def build(one: Type) -> Any:
        if one.kind == "record":
            name = f"r{next(numbers)}"
            fields = [{"name": f.name, "type": build(f.type)} for f in one.fields]
            return {"type": "record", "name": name, "fields": fields}
        if one.kind == "union":
            return [build(branch) for branch in one.branches]
        if one.items is not None:
            return {"type": one.kind, "items" if one.kind == "array" else "values": build(one.items)}
        if one.kind == "enum":
            return {"type": "enum", "name": f"e{next(numbers)}", "symbols": list(one.symbols)}
        made: dict[str, Any] = {"type": one.kind}
        if one.kind == "fixed":
            made |= {"name": f"f{next(numbers)}", "size": one.size}
        if one.logical == "decimal" and keep_decimal:
            made |= {"logicalType": "decimal", "precision": one.precision, "scale": one.scale}
        return made if len(made) > 1 else one.kind

    return build(of)


def _has_decimal(of: Type) -> bool:
    return of.logical == "decimal" or any(map(_has_decimal, of.below()))


def _load(text: str) -> tuple[dict[str, Any], Type]:
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise SchemaError(f"schema: not JSON: {error}") from None
    except RecursionError:
        raise SchemaError("schema: nested too deeply") from None
    tree = parse_tree(raw)
    if not isinstance(raw, dict) or tree.kind != "record":
        raise SchemaError("schema: expected a record")
    return raw, tree


def _problems(tree: Type) -> Iterator[str]:
    names = tuple(f.name for f in tree.fields)
    if names != FIELDS:
        missing = [name for name in FIELDS if name not in names]
        extra = [name for name in names if name not in FIELDS]
        for name in missing:
            yield f"{name}: the field is missing"
        for name in extra:
            yield f"{name}: not a field of an event; move it into event_details"
        if not missing and not extra:
            yield f"schema: the fields must stand in the order {', '.join(FIELDS)}"
    for f in tree.fields:
        if f.name in _TOP and f.type != Type("string"):
            yield f"{f.name}: must be a string"
        elif f.name == "triggered_at" and f.type != Type("long", "timestamp-micros"):
            yield "triggered_at: must be a long with logicalType timestamp-micros"
        elif f.name in ("user_details", "event_details"):
            if (f.type.optional or f.type).kind != "record":
                yield f"{f.name}: must be a record, or a union of null and a record"
            yield from _unusable(f.type, f.name)
            yield from _bad_defaults(f.type, f.name)


def _unusable(of: Type, path: str) -> Iterator[str]:
    if of.kind in ("bytes", "fixed") and of.logical != "decimal":
        yield f"{path}: {of.kind} cannot be written as JSON; use a string (base64), or a decimal"
    if of.kind == "array" and of.items is not None and _empty(of.items):
        yield f"{path}: an array of values without bytes says nothing but its length"
    for f in of.fields:
        yield from _unusable(f.type, f"{path}.{f.name}")
    if of.items is not None:
        yield from _unusable(of.items, f"{path}[]")
    for branch in of.branches:
        yield from _unusable(branch, path)


def _empty(of: Type) -> bool:
    """Whether a value of it takes no byte, so that an absurd count of them costs nothing to claim."""
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
    if kind in ("int", "long"):
        bits = 31 if kind == "int" else 63
        return type(value) is int and -(1 << bits) <= value < 1 << bits
    if kind in ("float", "double"):
        return type(value) in (int, float)
    if kind == "enum":
        return value in of.symbols
    if kind == "null":
        return value is None
    if kind == "boolean":
        return type(value) is bool
    return isinstance(value, str)
