"""JSON Schema and an example of an event type, from its Avro schema."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from etld.events.limits import FLOAT_MAX, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, MAX_NAME, TIME_MAX, TIME_MIN

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from etld.schemas.catalog import EventType
    from etld.schemas.tree import Type

_MOMENT = "2026-01-31T12:00:00Z"
_TEXT = {"type": "string", "pattern": r"^[^\u0000]*$"}
_LONG = {"type": "integer", "format": "int64", "minimum": INT64_MIN, "maximum": INT64_MAX}
_TIME = {
    "description": "RFC 3339 or epoch seconds",
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "number", "minimum": TIME_MIN // 1_000_000, "maximum": TIME_MAX // 1_000_000},
    ],
}
_CLOCK = {"type": "string", "pattern": r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?$"}
_TYPES: dict[str, dict[str, Any]] = {
    "null": {"type": "null"},
    "boolean": {"type": "boolean"},
    "int": {"type": "integer", "minimum": INT32_MIN, "maximum": INT32_MAX},
    "long": _LONG,
    "float": {"type": "number", "minimum": -FLOAT_MAX, "maximum": FLOAT_MAX},
    "double": {"type": "number"},
    "string": {"anyOf": [_TEXT, _LONG]},
}
_EXAMPLES = {"null": None, "boolean": True, "int": 7, "long": 7, "float": 1.5, "double": 12.5, "string": "text"}
_LOGICAL: dict[str, tuple[dict[str, Any], Any]] = {
    "uuid": ({"type": "string", "format": "uuid"}, "0190b5a4-7e1c-7c3a-9d4e-5f6a7b8c9d0e"),
    "date": ({"type": "string", "format": "date"}, "2026-01-31"),
    "time-millis": (_CLOCK, "12:00:00"),
    "time-micros": (_CLOCK, "12:00:00"),
    "timestamp-millis": (_TIME, _MOMENT),
    "timestamp-micros": (_TIME, _MOMENT),
    "local-timestamp-millis": (_TIME, _MOMENT),
    "local-timestamp-micros": (_TIME, _MOMENT),
}


def event_schema(kind: EventType) -> dict[str, Any]:
    """The JSON Schema of one event type, from its Avro schema."""
    schema = _type(kind.schema.tree)
    properties = schema["properties"]
    properties["event_id"] = {"type": ["string", "null"], "format": "uuid", "description": "Repeat it to retry safely"}
    properties["event_type"] = {"const": kind.name}
    properties["event_name"] = (
        {"enum": list(kind.event_names)} if kind.event_names else {**_TEXT, "minLength": 1, "maxLength": MAX_NAME}
    )
    schema["required"] = [name for name in schema["required"] if name != "event_id"]
    schema["examples"] = [example(kind)]
    return schema


def example(kind: EventType) -> dict[str, Any]:
    """A small event of the type."""
    value: dict[str, Any] = _value(kind.schema.tree)
    value.pop("event_id", None)
    value["event_name"] = kind.event_names[0] if kind.event_names else "something_happened"
    value["event_type"] = kind.name
    value["triggered_at"] = _MOMENT
    return value


def call_schema(kind: EventType, mapping: Mapping[str, str], telling: Collection[str]) -> dict[str, Any]:
    """The JSON Schema of an event of the type in Segment's spelling, as `[ingest.segment_map]` reads it.

    `telling`: the event names that tell the type, because no other lists them.
    """
    event = event_schema(kind)
    call: dict[str, Any] = {"type": "object", "properties": {"type": {"const": "track"}}, "required": []}
    places = [
        (path.strip().split("."), target.split("."), rank, "|" not in sources)
        for target, sources in mapping.items()
        for rank, path in enumerate(sources.split("|"))
        if path.strip() != "receivedAt"
    ]
    # What is taken from inside of something else is added to it.
    for path, target, rank, alone in sorted(places, key=lambda place: len(place[0])):
        found, required = _find(event, target)
        if found is None:
            continue
        if target == ["event_id"]:
            found = {"type": "string", "description": "A UUID is the event's id, of anything else the id is made"}
        if rank:
            # Whatever it is, it does not count when an earlier one is there.
            found = {"description": f"Read for {'.'.join(target)} when what comes before it is missing"}
        # What a call may leave out it may also name null.
        needed = required and alone and target not in (["event_id"], ["event_type"])
        _place(call, path, found if needed else {"anyOf": [found, {"type": "null"}]}, needed)
    untold = set(kind.event_names).difference(telling)
    if untold or not kind.event_names:
        ways: list[tuple[str, dict[str, Any]]] = [("event_type", {"const": kind.name})]
        if telling:
            ways.append(("event_name", {"enum": sorted(telling)}))
        call["anyOf"] = [_only(mapping[target], value) for target, value in ways if target in mapping]
    return call


def _only(path: str, value: dict[str, Any]) -> dict[str, Any]:
    """This value at the path, and whatever else."""
    made: dict[str, Any] = {"properties": {}, "required": []}
    _place(made, path.partition("|")[0].strip().split("."), value, True)
    return made


def _find(schema: dict[str, Any], path: list[str]) -> tuple[dict[str, Any] | None, bool]:
    """The schema at a path, with digits for integers as a call may have them; and is it required?"""
    required = True
    for step in path:
        if step not in schema.get("properties", ()):
            return None, False
        required = required and step in schema["required"]
        schema = schema["properties"][step]
    found = deepcopy(schema)
    for inner in [found, *found.get("properties", {}).values()]:
        if inner.get("type") == "integer":
            digits = 18 if inner["maximum"] > INT32_MAX else 9
            inner["anyOf"] = [dict(inner), {"type": "string", "pattern": f"^(0|-?[1-9][0-9]{{0,{digits - 1}}})$"}]
            for key in ("type", "format", "minimum", "maximum"):
                inner.pop(key, None)
    return found, required


def _place(schema: dict[str, Any], path: list[str], value: dict[str, Any], required: bool) -> None:
    for step in path[:-1]:
        # Of another type than an object it has none of what is looked for in it.
        inner = schema["properties"].setdefault(step, {"properties": {}, "required": []})
        if "properties" not in inner:
            return
        if required:
            inner["type"] = "object"
            if step not in schema["required"]:
                schema["required"].append(step)
        schema = inner
    schema["properties"][path[-1]] = value
    if required:
        schema["required"].append(path[-1])


def _type(of: Type) -> dict[str, Any]:
    if of.logical == "decimal":
        return _decimal(of)
    if of.logical:
        return dict(_LOGICAL[of.logical][0])
    match of.kind:
        case "record":
            return {
                "type": "object",
                "properties": {field.name: _type(field.type) for field in of.fields},
                "required": [field.name for field in of.fields if not field.default],
                "additionalProperties": False,
            }
        case "union":
            return {"anyOf": list(map(_branch if of.several else _type, of.branches))}
        case "enum":
            return {"enum": list(of.symbols)}
    if of.items is not None:
        inner = _type(of.items)
        return {"type": "array", "items": inner} if of.kind == "array" else _map(inner)
    return dict(_TYPES[of.kind])


def _branch(of: Type) -> dict[str, Any]:
    """With the name of a record, by which violations call it."""
    titled = {"title": of.name.rpartition(".")[2]} if of.kind == "record" else {}
    return {**titled, **_type(of)}


def _map(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "propertyNames": _TEXT, "additionalProperties": values}


def _decimal(of: Type) -> dict[str, Any]:
    """As text, which keeps every digit, or as a number."""
    whole = of.precision - of.scale
    digits = f"[0-9]{{1,{whole}}}" if whole else "0"
    fraction = rf"(\.[0-9]{{1,{of.scale}}})?" if of.scale else ""
    limit = 10**whole
    number = {"type": "number", "exclusiveMinimum": -limit, "exclusiveMaximum": limit}
    return {"anyOf": [{"type": "string", "pattern": f"^-?{digits}{fraction}$"}, number]}


def _value(of: Type) -> Any:
    if of.logical == "decimal":
        return "0.1" if of.scale else "1"
    if of.logical:
        return _LOGICAL[of.logical][1]
    if of.items is not None:
        inner = _value(of.items)
        return [inner] if of.kind == "array" else {"key": inner}
    match of.kind:
        case "record":
            return {field.name: _value(field.type) for field in of.fields if not field.default}
        case "union":
            return _value((of.not_null or of.branches)[0])
        case "enum":
            return of.symbols[0]
    return _EXAMPLES[of.kind]
