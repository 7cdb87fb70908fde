"""What an Avro schema says about each field, in the words that the steps need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMES = frozenset({"timestamp-millis", "timestamp-micros", "timestamp-nanos"})


@dataclass(frozen=True, slots=True)
class Shape:
    """One type of a schema.

    `kind` is an Avro type name, "timestamp" or "date"; "other" is what no step touches. `nullable` says
    that null is a value of it. `default` is a 1-tuple when the field has a default.
    """

    kind: str
    nullable: bool = False
    fields: Mapping[str, Shape] = field(default_factory=dict)
    items: Shape | None = None
    symbols: tuple[str, ...] = ()
    default: tuple[Any, ...] = ()

    @property
    def required(self) -> bool:
        """Must an event have this field?"""
        return not self.default

    def at(self, path: tuple[str, ...]) -> Shape | None:
        """The type at a path, None when the schema has no such field."""
        here: Shape | None = self
        for part in path:
            if here is None:
                return None
            here = here.fields.get(part) if here.kind == "record" else here.items
        return here


def of(schema: Any) -> Shape:
    """The shape of a parsed Avro schema."""
    return _shape(schema, {}, (), frozenset())


def _shape(schema: Any, named: dict[str, Any], default: tuple[Any, ...], above: frozenset[str]) -> Shape:
    if isinstance(schema, list):
        others = [branch for branch in schema if branch != "null"]
        if len(others) != 1:
            return Shape("other", nullable="null" in schema, default=default)
        inner = _shape(others[0], named, default, above)
        return Shape(inner.kind, True, inner.fields, inner.items, inner.symbols, default)
    if isinstance(schema, str):
        if schema not in named or schema in above:
            return Shape("other" if schema in named else schema, default=default)
        return _shape(named[schema], named, default, above)
    kind = schema["type"]
    if isinstance(kind, list | dict):
        return _shape(kind, named, default, above)
    if schema.get("logicalType") in _TIMES:
        return Shape("timestamp", default=default)
    if schema.get("logicalType") == "date":
        return Shape("date", default=default)
    name = schema.get("name")
    if name is not None and kind in {"record", "enum", "fixed"}:
        named[name] = schema
        above = above | {name}
    if kind == "record":
        fields = {
            entry["name"]: _shape(entry["type"], named, (entry["default"],) if "default" in entry else (), above)
            for entry in schema["fields"]
        }
        return Shape("record", fields=fields, default=default)
    if kind in {"array", "map"}:
        items = _shape(schema["items" if kind == "array" else "values"], named, (), above)
        return Shape(kind, items=items, default=default)
    if kind == "enum":
        return Shape("enum", symbols=tuple(schema["symbols"]), default=default)
    return Shape("other" if schema.get("logicalType") == "decimal" else kind, default=default)
