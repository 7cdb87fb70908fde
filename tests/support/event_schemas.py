"""Any schema of an event, and any record of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from etld.events.union import BranchValue
from etld.schemas.event_schema import EventSchema
from etld.schemas.tree import Type

_TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=6)
_LONG = st.one_of(st.integers(-70, 70), st.integers(-(2**63), 2**63 - 1))
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": _LONG,
    "float": st.floats(width=32),
    "double": st.floats(),
    "string": st.one_of(_TEXT, st.text("é", min_size=60, max_size=70)),
}
_LOGICAL = {
    "date": ("int", st.integers(-719162, 2932896)),
    "time-millis": ("int", st.integers(0, 86_399_999)),
    "time-micros": ("long", st.integers(0, 86_399_999_999)),
    "timestamp-millis": ("long", st.integers(-62_135_596_800_000, 253_402_300_799_999)),
    "timestamp-micros": ("long", st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)),
    "local-timestamp-millis": ("long", st.integers(-62_135_596_800_000, 253_402_300_799_999)),
    "local-timestamp-micros": ("long", st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)),
    "uuid": ("string", st.uuids().map(str)),
}


def _name(schema: Any, numbers: Iterator[int]) -> Any:
    """Every named type gets a name of its own."""
    if isinstance(schema, list):
        return [_name(one, numbers) for one in schema]
    if isinstance(schema, dict):
        named = {key: _name(value, numbers) for key, value in schema.items()}
        return named | {"name": f"N{next(numbers)}"} if schema.get("type") in ("record", "enum") else named
    return schema


_PLAIN = ["boolean", "int", "long", "float", "double", "string"]
# What each way can read: any type may stand in the details, and the columnar way leaves some to the exact one.
_LEAVES = {
    "any": [*_PLAIN, *_LOGICAL, "enum", "decimal"],
    "columnar": [*_PLAIN, *_LOGICAL, "enum"],
    "columnar optional": [*_PLAIN, *_LOGICAL],
    "columnar item": ["int", "long", "float", "double", "string", "uuid"],
}
_NESTED = {
    "any": ["optional", "optional", "record", "array", "map", "union"],
    "columnar": ["optional", "optional", "record", "array"],
    "columnar optional": ["record", "array"],
    "columnar item": ["record", "array"],
}
_INSIDE_OPTIONAL = {"any": "any", "columnar": "columnar optional"}
_INSIDE_ARRAY = {"any": "any", "columnar": "columnar item", "columnar optional": "columnar item"}
_INSIDE_RECORD = {"columnar optional": "columnar"}


@st.composite
def types(draw: st.DrawFn, depth: int = 2, readable: str = "any") -> Any:
    """An Avro type that may stand in the details; `readable`: one that this way reads (a key of _LEAVES)."""
    kind = draw(st.sampled_from(_LEAVES[readable] + (_NESTED[readable] if depth else [])))
    if kind in _LOGICAL:
        return {"type": _LOGICAL[kind][0], "logicalType": kind}
    if kind == "decimal":
        return {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": draw(st.integers(0, 4))}
    if kind == "enum":
        return {"type": "enum", "name": "E", "symbols": ["a", "b", "c"][: draw(st.integers(1, 3))]}
    if kind == "optional":
        inner = types(depth - 1, _INSIDE_OPTIONAL[readable])
        branches = ["null", draw(inner.filter(lambda t: not isinstance(t, list)))]
        return branches if draw(st.booleans()) else branches[::-1]
    if kind == "record":
        return draw(records(depth - 1, 1, _INSIDE_RECORD.get(readable, readable)))
    if kind in ("array", "map"):
        inside = types(depth - 1, _INSIDE_ARRAY.get(readable, readable))
        return {"type": kind, "items" if kind == "array" else "values": draw(inside)}
    if kind == "union":
        return draw(unions(depth - 1))
    return kind


def _once(branches: list[Any]) -> bool:
    """May they be one union? Named types get names of their own."""
    plain = [one["type"] if isinstance(one, dict) else one for one in branches]
    unnamed = [kind for kind in plain if kind not in ("record", "enum")]
    return "null" not in unnamed and len(set(unnamed)) == len(unnamed)


@st.composite
def unions(draw: st.DrawFn, depth: int) -> Any:
    """A union of several types of any kind; with null at any place, or without."""
    inner = types(depth).filter(lambda one: not isinstance(one, list))
    branches = draw(st.lists(inner, min_size=1, max_size=4).filter(_once))
    if draw(st.booleans()) or len(branches) == 1:
        branches.insert(draw(st.integers(0, len(branches))), "null")
    return branches


@st.composite
def records(draw: st.DrawFn, depth: int = 2, minimum: int = 0, readable: str = "any") -> Any:
    """A record of up to four fields."""
    inner = draw(st.lists(types(depth, readable), min_size=minimum, max_size=4))
    fields = [{"name": f"f{i}", "type": one} for i, one in enumerate(inner)]
    return {"type": "record", "name": "R", "fields": fields}


def schemas() -> st.SearchStrategy[EventSchema]:
    """A schema that `problems` has nothing against."""
    return versions(1).map(lambda found: found[0])


@st.composite
def columnar_schemas(draw: st.DrawFn) -> EventSchema:
    """A schema that the columnar way reads; most of all others have something that it leaves to the exact one."""
    return _schema(draw(records(2, 1, "columnar")), draw(records(2, 1, "columnar")))


@st.composite
def versions(draw: st.DrawFn, count: int) -> list[EventSchema]:
    """Versions of one schema: each has fields of the one before it left out, widened, or added with a default."""
    user, event = draw(records()), draw(records())
    optional = draw(st.integers(0, 4)) == 0
    found = []
    for number in range(count):
        if number:
            user, event = draw(_next(user, number)), draw(_next(event, number))
        found.append(_schema(user, ["null", event] if optional else event))
    return found


_WIDER = {"int": ["int", "long", "double"], "long": ["long", "double"], "float": ["float", "double"]}


@st.composite
def _next(draw: st.DrawFn, record: Any, number: int) -> Any:
    """The record's next version, as a registry takes it."""
    kept = [field for field in record["fields"] if draw(st.booleans())]
    fields = []
    for field in kept:
        wider = _WIDER.get(field["type"]) if isinstance(field["type"], str) else None
        fields.append({**field, "type": draw(st.sampled_from(wider))} if wider else field)
    for extra in range(draw(st.integers(0, 2))):
        new = draw(types(1).filter(lambda one: not isinstance(one, list)))
        fields.append({"name": f"v{number}_{extra}", "type": ["null", new], "default": None})
    return {**record, "fields": fields}


def _schema(user: Any, event: Any) -> EventSchema:
    fields = [
        {"name": "event_id", "type": "string"},
        {"name": "event_name", "type": "string"},
        {"name": "event_type", "type": "string"},
        {"name": "triggered_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "user_details", "type": user},
        {"name": "event_details", "type": event},
    ]
    whole = _name({"type": "record", "name": "Event", "fields": fields}, itertools.count())
    return EventSchema.parse(json.dumps(whole))


def _of_branch(index: int, of: Type) -> st.SearchStrategy[Any]:
    return st.none() if of.kind == "null" else values(of).map(lambda value: BranchValue(index, value))


def values(of: Type) -> st.SearchStrategy[Any]:
    """Values of a type, as `AvroCodec.encode` takes them."""
    if of.kind == "record":
        return st.fixed_dictionaries({f.name: values(f.type) for f in of.fields})
    if of.kind == "union":
        if not of.several:
            return st.one_of(*map(values, of.branches))
        return st.one_of(*(_of_branch(i, branch) for i, branch in enumerate(of.branches)))
    if of.items is not None:
        inner = values(of.items)
        return st.lists(inner, max_size=3) if of.kind == "array" else st.dictionaries(_TEXT, inner, max_size=3)
    if of.kind == "enum":
        return st.sampled_from(of.symbols)
    if of.logical == "decimal":
        return st.integers(-(10**10) + 1, 10**10 - 1).map(lambda n: Decimal(n).scaleb(-of.scale))
    return _LOGICAL[of.logical][1] if of.logical else _VALUES[of.kind]
