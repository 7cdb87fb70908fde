"""What an Avro schema says about each field, in the words that correction steps need."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.schemas.tree import Type

_TIMES = frozenset({"timestamp-millis", "timestamp-micros"})


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


def of(schema: Type, default: tuple[Any, ...] = ()) -> Shape:
    """The shape of a type; `default` of the field whose type it is."""
    if schema.kind == "union":
        others = schema.not_null
        nullable = len(others) < len(schema.branches)
        if len(others) != 1:
            return Shape("other", nullable=nullable, default=default)
        return replace(of(others[0], default), nullable=nullable)
    if schema.logical in _TIMES:
        return Shape("timestamp", default=default)
    if schema.logical == "date":
        return Shape("date", default=default)
    if schema.logical == "decimal":
        return Shape("other", default=default)
    fields = {field.name: of(field.type, field.default) for field in schema.fields}
    items = None if schema.items is None else of(schema.items)
    return Shape(schema.kind, fields=fields, items=items, symbols=schema.symbols, default=default)
