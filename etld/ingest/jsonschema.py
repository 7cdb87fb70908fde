"""JSON Schema and an example of an event type, from its Avro schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etld.ingest.catalog import EventType

_EXAMPLES = {
    "string": "text",
    "int": 7,
    "long": 7,
    "float": 1.5,
    "double": 12.5,
    "boolean": True,
}


def event_schema(kind: EventType) -> dict[str, Any]:
    """The JSON Schema of one event type, from its Avro schema."""
    schema = _type(kind.avro)
    properties = schema["properties"]
    properties["event_id"] = {
        "type": "string",
        "format": "uuid",
        "description": "Repeat it to retry safely",
    }
    properties["event_type"] = {"const": kind.name}
    properties["triggered_at"] = {"type": "string", "format": "date-time"}
    if kind.event_names:
        properties["event_name"] = {"enum": list(kind.event_names)}
    schema["required"] = [name for name in schema.get("required", ()) if name != "event_id"]
    schema["examples"] = [example(kind)]
    return schema


def example(kind: EventType) -> dict[str, Any]:
    """A small event of the type."""
    value: dict[str, Any] = _value(kind.avro)
    value.pop("event_id", None)
    value["event_name"] = kind.event_names[0] if kind.event_names else "something_happened"
    value["event_type"] = kind.name
    value["triggered_at"] = "2026-01-31T12:00:00Z"
    return value


def _type(avro: Any) -> dict[str, Any]:
    if isinstance(avro, list):
        return {"anyOf": [_type(branch) for branch in avro]}
    if isinstance(avro, str):
        avro = {"type": avro}
    match avro["type"]:
        case "record":
            return {
                "type": "object",
                "properties": {field["name"]: _type(field["type"]) for field in avro["fields"]},
                "required": [field["name"] for field in avro["fields"] if "default" not in field],
                "additionalProperties": False,
            }
        case "array":
            return {"type": "array", "items": _type(avro["items"])}
        case "map":
            return {"type": "object", "additionalProperties": _type(avro["values"])}
        case "enum":
            return {"enum": list(avro["symbols"])}
        case "null":
            return {"type": "null"}
        case "boolean":
            return {"type": "boolean"}
        case "int":
            return {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
        case "long":
            return {
                "type": "integer",
                "format": "int64",
                "minimum": -(2**63),
                "maximum": 2**63 - 1,
            }
        case "float" | "double":
            return {"type": "number"}
        case "string":
            return {"type": ["string", "integer"]}
        case dict() | list() as inner:
            return _type(inner)
    return {}


def _value(avro: Any) -> Any:
    if isinstance(avro, list):
        return _value(next((branch for branch in avro if branch != "null"), "null"))
    if isinstance(avro, str):
        return _EXAMPLES.get(avro)
    match avro["type"]:
        case "record":
            return {field["name"]: _value(field["type"]) for field in avro["fields"] if "default" not in field}
        case "array":
            return [_value(avro["items"])]
        case "map":
            return {"key": _value(avro["values"])}
        case "enum":
            return avro["symbols"][0]
        case dict() | list() as inner:
            return _value(inner)
    return _EXAMPLES.get(avro["type"])
