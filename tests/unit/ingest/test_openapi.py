"""What /openapi.json says of an event type is what its validator takes."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
from hypothesis import given

from etld.events.validate import Valid
from etld.ingest import keys
from etld.ingest.openapi import document
from etld.schemas import checks
from etld.schemas.catalog import EventType
from etld.schemas.event_schema import EventSchema
from support.event_schemas import schemas
from support.event_types import event_type

MAPPING = {"event_id": "messageId", "event_name": "event", "triggered_at": "timestamp", "event_details": "properties"}
NAMED = {"type": "enum", "name": "Colour", "symbols": ["red", "green"]}


def check(kind: EventType) -> dict[str, Any]:
    """The example passes the validator and its own JSON Schema; gives that schema."""
    made = document({"parcel": kind}, ["/track", "/v1/batch"], segment_map=MAPPING)
    schema: dict[str, Any] = made["components"]["schemas"]["Event_parcel"]
    example = schema["examples"][0]
    verdict = checks.validator(kind).validate(json.loads(json.dumps(example)))
    assert isinstance(verdict, Valid), verdict
    whole = {**schema, "components": made["components"]}
    jsonschema_rs.validator_for(whole, validate_formats=True).validate(example)
    assert made["paths"]["/track"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    return schema


@given(schemas())
def test_every_example_is_a_valid_event(schema: EventSchema) -> None:
    check(event_type(json.loads(schema.text), "parcel"))


def test_named_types_and_narrow_decimals() -> None:
    fields = [
        {"name": "event_id", "type": "string"},
        {"name": "event_name", "type": "string"},
        {"name": "event_type", "type": "string"},
        {"name": "triggered_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "user_details", "type": {"type": "record", "name": "U", "fields": [{"name": "a", "type": NAMED}]}},
        {
            "name": "event_details",
            "type": {
                "type": "record",
                "name": "D",
                "fields": [
                    {"name": "again", "type": "Colour"},
                    {"name": "part", "type": {"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 2}},
                    {"name": "on", "type": {"type": "int", "logicalType": "date"}},
                    {"name": "at", "type": {"type": "int", "logicalType": "time-millis"}},
                ],
            },
        },
    ]
    schema = check(event_type({"type": "record", "name": "Event", "fields": fields}, "parcel"))
    assert schema["properties"]["event_details"]["properties"]["again"] == {"enum": ["red", "green"]}
    triggered = schema["properties"]["triggered_at"]["anyOf"]
    assert [item["type"] for item in triggered] == ["string", "number"]


def test_a_key_is_needed_where_keys_are() -> None:
    kinds = {"parcel": event_type(json.loads(_PLAIN), "parcel")}
    assert document(kinds, ["/track"])["security"] == []
    assert {} not in document(kinds, ["/track"], keys=True)["security"]
    paths = document(kinds, ["/track", "/v1/track"], segment_map=MAPPING)["paths"]
    bodies = [path["post"]["requestBody"] for path in paths.values()]
    assert bodies[0] != bodies[1]
    assert "Retry-After" in paths["/track"]["post"]["responses"]["503"]["headers"]


_PLAIN = json.dumps(
    {
        "type": "record",
        "name": "Event",
        "fields": [
            *({"name": name, "type": "string"} for name in ("event_id", "event_name", "event_type")),
            {"name": "triggered_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            *(
                {"name": name, "type": {"type": "record", "name": name, "fields": []}}
                for name in ("user_details", "event_details")
            ),
        ],
    }
)


def test_the_document_of_the_paths_is_json() -> None:
    assert json.loads(json.dumps(document({}, ["/track", "/healthz"])))["openapi"] == "3.1.0"


def test_cloudevents_are_described() -> None:
    made = document({"parcel": event_type(json.loads(_PLAIN), "parcel")}, ["/track", "/v1/batch"], keys=True)
    one, many = (made["paths"][path]["post"]["requestBody"]["content"] for path in ("/track", "/v1/batch"))
    assert one["application/cloudevents+json"]["schema"] == {"$ref": "#/components/schemas/CloudEvent"}
    assert many["application/cloudevents-batch+json"]["schema"]["items"] == {"$ref": "#/components/schemas/CloudEvent"}
    assert made["components"]["schemas"]["CloudEvent"]["required"] == ["specversion", "id", "source", "type"]
    named = {parameter["name"] for parameter in made["paths"]["/track"]["post"]["parameters"]}
    assert {"ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time"} <= named
    headers = {scheme.get("name") for scheme in made["components"]["securitySchemes"].values()}
    assert set(keys.KEY_HEADERS) <= headers
    assert made["components"]["securitySchemes"]["writeKey"]["name"] == "X-Write-Key"
