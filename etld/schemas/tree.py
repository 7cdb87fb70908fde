"""An Avro schema as a tree: names resolved, forms checked, nothing left to look up. The only reader of its JSON.

A type that is named once and used again by its name is in the tree at each of its places. Light, so that the
config's check can read schemas.

https://avro.apache.org/docs/1.12.0/specification/
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from etld.schemas import bounds
from etld.util.text import shortened

if TYPE_CHECKING:
    from etld.schemas.bounds import Bound

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


class SchemaError(ValueError):
    """The text is no Avro schema that etld can use; the message names the place and the reason."""


@dataclass(frozen=True, slots=True)
class RecordField:
    """One field of a record. `default` is a 1-tuple when there is one, in Avro's JSON encoding."""

    name: str
    type: Type
    default: tuple[Any, ...] = ()
    doc: str = field(default="", compare=False)
    aliases: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Type:
    """One type. `kind` is Avro's name of it; what does not belong to the kind is empty.

    `name` is the full name of a record, an enum or a fixed. `weight` counts the types in it, itself included, with
    symbols and values of defaults; `depth` is how many of them are inside one another.
    """

    kind: str
    logical: str = ""
    name: str = ""
    fields: tuple[RecordField, ...] = ()
    items: Type | None = None
    branches: tuple[Type, ...] = ()
    symbols: tuple[str, ...] = ()
    size: int = 0
    precision: int = 0
    scale: int = 0
    weight: int = 1
    depth: int = 1
    doc: str = field(default="", compare=False)
    aliases: tuple[str, ...] = field(default=(), compare=False)

    @property
    def not_null(self) -> tuple[Type, ...]:
        """The branches of a union that are not null."""
        return tuple(branch for branch in self.branches if branch.kind != "null")

    @property
    def optional(self) -> Type | None:
        """The other branch of a union of null and one type, in either order; else None."""
        others = self.not_null
        return others[0] if len(self.branches) == 2 and len(others) == 1 else None

    @property
    def several(self) -> bool:
        """Is it a union of more than null and one type? Then a value comes with its branch."""
        return len(self.not_null) > 1

    def below(self) -> tuple[Type, ...]:
        """The types directly inside this one."""
        return (*(f.type for f in self.fields), *((self.items,) if self.items else ()), *self.branches)


def read(text: str) -> Type:
    """The tree of the schema in that JSON text; raises `SchemaError`."""
    _hold(bounds.SIZE, "schema", len(text))
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise SchemaError(f"schema: not JSON: {error}") from None
    except RecursionError:
        raise SchemaError("schema: nested too deeply") from None
    return parse(schema)


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
        _hold(bounds.BRANCHES, path, len(schema))
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
        _hold(bounds.NAME, path, len(full))
        if full in self._named:
            raise SchemaError(f"{path}: {full} is defined twice")
        self._named[full] = None
        if kind == "enum":
            made = self._enum(schema, full, path)
        elif kind == "fixed":
            size = schema.get("size")
            if not isinstance(size, int) or isinstance(size, bool) or size < 0:
                raise SchemaError(f"{path}: fixed needs a size, got {_short(size)}")
            _hold(bounds.FIXED, path, size)
            plain = Type("fixed", name=full, size=size, doc=_doc(schema), aliases=_aliases(schema))
            made = _logical(plain, schema, path)
        else:
            made = self._record(schema, full, path)
        self._named[full] = made
        return made

    def _enum(self, schema: dict[str, Any], full: str, path: str) -> Type:
        symbols = schema.get("symbols")
        if not isinstance(symbols, list) or not symbols or len(set(map(str, symbols))) != len(symbols):
            raise SchemaError(f"{path}: enum {full} needs symbols, each once")
        _hold(bounds.SYMBOLS, path, len(symbols))
        for symbol in symbols:
            if not isinstance(symbol, str) or not _NAME.fullmatch(symbol):
                raise SchemaError(f"{path}: {_short(symbol)} is no symbol; use letters, digits and _")
            _hold(bounds.NAME, path, len(symbol))
        made = Type("enum", name=full, symbols=tuple(symbols), doc=_doc(schema), aliases=_aliases(schema))
        return _sized(made, path, len(symbols))

    def _record(self, schema: dict[str, Any], full: str, path: str) -> Type:
        entries = schema.get("fields")
        if not isinstance(entries, list):
            raise SchemaError(f"{path}: record {full} needs fields")
        fields = []
        defaults = 0
        for entry in entries:
            if not isinstance(entry, dict) or "name" not in entry or "type" not in entry:
                raise SchemaError(f"{path}: a field needs name and type, got {_short(entry)}")
            name = entry["name"]
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise SchemaError(f"{path}: {_short(name)} is no field name; use letters, digits and _")
            below = name if path == "schema" else f"{path}.{name}"
            _hold(bounds.NAME, path, len(name))
            # A logical type beside the name instead of inside the type is a common slip; Avro ignores it.
            of = self.type(entry["type"], full.rpartition(".")[0], below)
            default = (entry["default"],) if "default" in entry else ()
            defaults += _values(default, below)
            aliases = _aliases(entry)
            _hold(bounds.ALIASES, below, len(aliases))
            fields.append(RecordField(name, of, default, _doc(entry), aliases))
        if len({one.name for one in fields}) != len(fields):
            raise SchemaError(f"{path}: record {full} has a field twice")
        made = Type("record", name=full, fields=tuple(fields), doc=_doc(schema), aliases=_aliases(schema))
        _hold(bounds.SILENT, path, _silent(made))
        return _sized(made, path, defaults)


def _fullname(name: str, namespace: Any) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _logical(plain: Type, schema: dict[str, Any], path: str) -> Type:
    logical = schema.get("logicalType")
    if not isinstance(logical, str) or plain.kind not in LOGICAL.get(logical, ()):
        return plain
    if logical != "decimal":
        return replace(plain, logical=logical)
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if type(precision) is not int or type(scale) is not int or not 0 <= scale <= precision or precision < 1:
        raise SchemaError(f"{path}: decimal needs precision >= 1 and scale from 0 to precision")
    _hold(bounds.PRECISION, path, precision)
    return replace(plain, logical=logical, precision=precision, scale=scale)


def _sized(made: Type, path: str, more: int = 0) -> Type:
    """The type with its weight and its depth; `more` is what it holds beside types."""
    # By numbers that types keep: a few nested names used twice each would make a tree that nobody could walk through.
    weight = 1 + more + sum(inner.weight for inner in made.below())
    depth = 1 + max((inner.depth for inner in made.below()), default=0)
    _hold(bounds.PARTS, path, weight)
    _hold(bounds.DEPTH, path, depth)
    return replace(made, weight=weight, depth=depth)


def _hold(bound: Bound, path: str, found: int) -> None:
    problem = bound.problem(path, found)
    if problem is not None:
        raise SchemaError(problem)


def _values(default: tuple[Any, ...], path: str) -> int:
    """How many values a default is made of; layer by layer, since it may be deep."""
    count, depth = 0, 0
    layer: list[Any] = list(default)
    while layer:
        count += len(layer)
        depth += 1
        _hold(bounds.DEPTH, path, depth)
        below: list[Any] = []
        for one in layer:
            below += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        layer = below
    if default:
        _hold(bounds.DEFAULT, path, len(json.dumps(default[0])))
    return count


def _silent(of: Type) -> int:
    """How many values of no bytes come with each value of a type."""
    if of.kind == "null" or (of.kind == "fixed" and not of.size):
        return 1
    if of.kind == "record":
        return sum(_silent(one.type) for one in of.fields)
    return max(map(_silent, of.not_null), default=0)


def _doc(schema: dict[str, Any]) -> str:
    doc = schema.get("doc")
    return doc if isinstance(doc, str) else ""


def _aliases(schema: dict[str, Any]) -> tuple[str, ...]:
    aliases = schema.get("aliases")
    return tuple(one for one in aliases if isinstance(one, str)) if isinstance(aliases, list) else ()


def _short(value: Any) -> str:
    return shortened(repr(value), 60)
