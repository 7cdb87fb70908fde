"""An Avro schema as a tree: names resolved, shapes checked, nothing left to look up.

https://avro.apache.org/docs/1.12.0/specification/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
# Logical types by the Avro type they annotate; an unknown or misplaced one is ignored, as Avro demands.
LOGICAL = {
    "date": {"int"},
    "time-millis": {"int"},
    "time-micros": {"long"},
    "timestamp-millis": {"long"},
    "timestamp-micros": {"long"},
    "local-timestamp-millis": {"long"},
    "local-timestamp-micros": {"long"},
    "uuid": {"string"},
    "decimal": {"bytes", "fixed"},
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A few nested names used twice each would otherwise make a tree that fills the memory.
_MAX_SIZE = 2000


class SchemaError(ValueError):
    """The text is no Avro schema that etld can use; the message names the place and the reason."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record. `default` is a 1-tuple when there is one, in Avro's JSON encoding."""

    name: str
    type: Type
    default: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Type:
    """One type. `kind` is Avro's name of it; what does not belong to the kind is empty."""

    kind: str
    logical: str = ""
    name: str = ""
    fields: tuple[Field, ...] = ()
    items: Type | None = None
    branches: tuple[Type, ...] = ()
    symbols: tuple[str, ...] = ()
    size: int = 0
    precision: int = 0
    scale: int = 0
    weight: int = 1

    @property
    def optional(self) -> Type | None:
        """The other branch of a union of null and one type, in either order; else None."""
        others = [branch for branch in self.branches if branch.kind != "null"]
        return others[0] if len(self.branches) == 2 and len(others) == 1 else None

    def below(self) -> tuple[Type, ...]:
        """The types directly inside this one."""
        return (*(f.type for f in self.fields), *((self.items,) if self.items else ()), *self.branches)


def parse(schema: Any) -> Type:
    """The tree of an Avro schema (what JSON gives); raises `SchemaError`."""
    try:
        return _Parser().type(schema, "", "schema")
    except RecursionError:
        raise SchemaError("schema: nested too deeply") from None


class _Parser:
    def __init__(self) -> None:
        self._named: dict[str, Type | None] = {}

    def type(self, schema: Any, namespace: str, path: str) -> Type:
        if isinstance(schema, str):
            return self._reference(schema, namespace, path)
        if isinstance(schema, list):
            return self._union(schema, namespace, path)
        if not isinstance(schema, dict) or "type" not in schema:
            raise SchemaError(f"{path}: expected a type, got {_short(schema)}")
        kind = schema["type"]
        if isinstance(kind, list | dict):
            return self.type(kind, namespace, path)
        if kind in ("record", "error", "enum", "fixed"):
            return self._define(kind, schema, namespace, path)
        if kind in ("array", "map"):
            key = "items" if kind == "array" else "values"
            if key not in schema:
                raise SchemaError(f"{path}: {kind} needs {key!r}")
            return _sized(Type(kind, items=self.type(schema[key], namespace, f"{path}[]")), path)
        if kind in PRIMITIVES:
            return _logical(Type(kind), schema, path)
        return self._reference(kind, namespace, path)

    def _reference(self, name: Any, namespace: str, path: str) -> Type:
        if name in PRIMITIVES:
            return Type(name)
        full = _fullname(name, namespace) if isinstance(name, str) else ""
        if full not in self._named:
            raise SchemaError(f"{path}: unknown type {_short(name)}")
        found = self._named[full]
        if found is None:
            raise SchemaError(f"{path}: {full} contains itself; a recursive type has no column type")
        return found

    def _union(self, schema: list[Any], namespace: str, path: str) -> Type:
        if not schema:
            raise SchemaError(f"{path}: a union needs at least one type")
        branches = tuple(self.type(branch, namespace, path) for branch in schema)
        names = [branch.name or branch.kind for branch in branches]
        if "union" in names or len(set(names)) != len(names):
            raise SchemaError(f"{path}: a union may hold each type once, and no union")
        return _sized(Type("union", branches=branches), path)

    def _define(self, kind: str, schema: dict[str, Any], namespace: str, path: str) -> Type:
        name = schema.get("name")
        if not isinstance(name, str) or not all(_NAME.fullmatch(part) for part in name.split(".")):
            raise SchemaError(f"{path}: {kind} needs a name of letters, digits and _, got {_short(name)}")
        full = _fullname(name, schema.get("namespace", namespace))
        if full in self._named:
            raise SchemaError(f"{path}: {full} is defined twice")
        self._named[full] = None
        if kind == "enum":
            made = self._enum(schema, full, path)
        elif kind == "fixed":
            size = schema.get("size")
            if not isinstance(size, int) or isinstance(size, bool) or size < 0:
                raise SchemaError(f"{path}: fixed needs a size, got {_short(size)}")
            made = _logical(Type("fixed", name=full, size=size), schema, path)
        else:
            made = self._record(schema, full, path)
        self._named[full] = made
        return made

    def _enum(self, schema: dict[str, Any], full: str, path: str) -> Type:
        symbols = schema.get("symbols")
        if not isinstance(symbols, list) or not symbols or len(set(map(str, symbols))) != len(symbols):
            raise SchemaError(f"{path}: enum {full} needs symbols, each once")
        for symbol in symbols:
            if not isinstance(symbol, str) or not _NAME.fullmatch(symbol):
                raise SchemaError(f"{path}: {_short(symbol)} is no symbol; use letters, digits and _")
        return Type("enum", name=full, symbols=tuple(symbols))

    def _record(self, schema: dict[str, Any], full: str, path: str) -> Type:
        entries = schema.get("fields")
        if not isinstance(entries, list):
            raise SchemaError(f"{path}: record {full} needs fields")
        fields = []
        for entry in entries:
            if not isinstance(entry, dict) or "name" not in entry or "type" not in entry:
                raise SchemaError(f"{path}: a field needs name and type, got {_short(entry)}")
            name = entry["name"]
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise SchemaError(f"{path}: {_short(name)} is no field name; use letters, digits and _")
            below = name if path == "schema" else f"{path}.{name}"
            # A logical type beside the name instead of inside the type is a common slip; Avro ignores it.
            of = self.type(entry["type"], full.rpartition(".")[0], below)
            fields.append(Field(name, of, (entry["default"],) if "default" in entry else ()))
        if len({field.name for field in fields}) != len(fields):
            raise SchemaError(f"{path}: record {full} has a field twice")
        return _sized(Type("record", name=full, fields=tuple(fields)), path)


def _fullname(name: str, namespace: Any) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _logical(plain: Type, schema: dict[str, Any], path: str) -> Type:
    logical = schema.get("logicalType")
    if not isinstance(logical, str) or plain.kind not in LOGICAL.get(logical, ()):
        return plain
    if logical != "decimal":
        return Type(plain.kind, logical, plain.name, size=plain.size)
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if type(precision) is not int or type(scale) is not int or not 0 <= scale <= precision or precision < 1:
        raise SchemaError(f"{path}: decimal needs precision >= 1 and scale from 0 to precision")
    return Type(plain.kind, logical, plain.name, size=plain.size, precision=precision, scale=scale)


def _sized(made: Type, path: str) -> Type:
    weight = 1 + sum(inner.weight for inner in made.below())
    if weight > _MAX_SIZE:
        raise SchemaError(f"{path}: more than {_MAX_SIZE} fields and types")
    return Type(made.kind, made.logical, made.name, made.fields, made.items, made.branches, made.symbols, weight=weight)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
