"""The paths, once: what the router serves and what /openapi.json says of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import etld
from etld.ingest.answers import json_answer
from etld.ingest.jsonschema import event_schema, example

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage

    from etld.ingest.catalog import EventType
    from etld.ingest.connection import Connection
    from etld.ingest.probes import Probes
    from etld.ingest.service import Routes, Service

_PROBLEMS = {
    "400": "Not JSON, or not of the right shape",
    "401": "No write key, or one that is not known",
    "403": "This key, or any client, may not send events of this type",
    "405": "The path has other methods",
    "408": "The headers or the body took too long",
    "413": "The body, the event or the batch is too large",
    "415": "An unknown Content-Encoding",
    "422": "The event violates its schema, and invalid ones are not kept",
    "429": "More events a second than allowed; see Retry-After",
    "503": "Kafka cannot take it now; see Retry-After, and send again with the ids named",
}


def routes(service: Service, probes: Probes) -> Routes:
    """Path to method to handler. The front is looked up at each request, since a reload replaces it."""

    def track(connection: Connection, message: RawRequestMessage, body: bytes) -> None:
        service.front.track(service, connection, message, body)

    def batch(connection: Connection, message: RawRequestMessage, body: bytes) -> None:
        service.front.batch(service, connection, message, body)

    return {
        "/track": {"POST": track},
        "/v1/track": {"POST": track},
        "/v1/batch": {"POST": batch},
        "/healthz": {"GET": probes.healthz},
        "/readyz": {"GET": probes.readyz},
        "/metrics": {"GET": probes.metrics},
        "/openapi.json": {"GET": partial(_serve, service)},
    }


def _serve(service: Service, connection: Connection, message: RawRequestMessage, body: bytes) -> None:
    connection.answer(json_answer(200, document(service.front.catalog.types, list(service.routes))))


def document(types: Mapping[str, EventType], paths: list[str]) -> dict[str, Any]:
    """The OpenAPI 3.1 description of `paths` for the configured event types."""
    taken = [kind for kind in types.values() if kind.accept]
    names = {kind.name: f"Event_{kind.name}" for kind in taken}
    schemas: dict[str, Any] = {names[kind.name]: event_schema(kind) for kind in taken}
    schemas["Event"] = {"anyOf": [_ref(name) for name in names.values()]} if names else {"type": "object"}
    schemas |= _SHARED
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "etld ingest",
            "version": etld.__version__,
            "description": "Events in. A 2xx means that etld has the event durably.",
        },
        "paths": {path: _PATHS[path](taken) for path in paths},
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "writeKey": {"type": "apiKey", "in": "header", "name": "X-Write-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The key as user, no password",
                },
            },
        },
        "security": [{}, {"writeKey": []}, {"bearer": []}, {"basic": []}],
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Any, description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": schema}},
    }


def _problems(*codes: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": _ref("Problem")}}
    return {code: {"description": _PROBLEMS[code], "content": content} for code in codes}


_HEADERS = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "description": "Stands for the event_id of events without one",
    },
    {
        "name": "X-Etld-Ack",
        "in": "header",
        "schema": {"enum": ["all", "leader", "enqueued"]},
        "description": "When to answer, if `[ingest] ack_per_request` allows the choice",
    },
]
_WRITE = ("400", "401", "403", "408", "413", "415", "422", "429", "503")


def _track(types: list[EventType]) -> dict[str, Any]:
    examples = {kind.name: {"value": example(kind)} for kind in types}
    return {
        "post": {
            "summary": "Send one event",
            "parameters": _HEADERS,
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": _ref("Event"), "examples": examples}},
            },
            "responses": {
                "200": _json(_ref("Accepted"), "Kafka has it"),
                "202": _json(
                    _ref("DeadLettered"),
                    "It violates its schema and is kept for repair",
                ),
                **_problems(*_WRITE),
            },
        }
    }


def _batch(types: list[EventType]) -> dict[str, Any]:
    events = [example(kind) for kind in types]
    return {
        "post": {
            "summary": "Send many events",
            "parameters": _HEADERS,
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": _ref("Batch"),
                        "examples": {"batch": {"value": {"batch": events}}},
                    },
                    "application/x-ndjson": {"schema": {"type": "string"}},
                },
            },
            "responses": {
                "200": _json(_ref("BatchAccepted"), "Kafka has every event"),
                "207": _json(_ref("BatchPartial"), "One result an event, in order"),
                **_problems(*(code for code in _WRITE if code != "422")),
            },
        }
    }


def _probe(summary: str, unready: bool = False, kind: str = "application/json") -> Any:
    content = {kind: {"schema": {"type": "object" if kind == "application/json" else "string"}}}
    answers = {
        "200": {"description": summary, "content": content},
        **(_problems("503") if unready else {}),
    }
    return lambda types: {"get": {"summary": summary, "responses": answers, "security": []}}


_PATHS: Mapping[str, Any] = {
    "/track": _track,
    "/v1/track": _track,
    "/v1/batch": _batch,
    "/healthz": _probe("The process is alive"),
    "/readyz": _probe("An event now would be accepted", unready=True),
    "/metrics": _probe("Prometheus metrics of the daemon", kind="text/plain"),
    "/openapi.json": _probe("This document"),
}
_ERRORS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "index": {"type": "integer"},
            "path": {"type": "string"},
            "expected": {"type": "string"},
            "got": {"type": "string"},
        },
        "required": ["path", "expected", "got"],
    },
}
_ACK = {"enum": ["all", "leader", "enqueued"]}
_ID = {"type": "string", "format": "uuid"}
_RESULT = {
    "type": "object",
    "properties": {
        "index": {"type": "integer"},
        "status": {
            "enum": [
                "success",
                "dead_lettered",
                "sampled_out",
                "rejected",
                "unavailable",
            ]
        },
        "code": {"type": "integer"},
        "event_id": {"type": ["string", "null"]},
        "reason": {"type": "string"},
        "detail": {"type": "string"},
        "errors": _ERRORS,
    },
    "required": ["index", "status", "code", "event_id"],
}
_RESULTS = {"type": "array", "items": _RESULT}
_IDS = {"type": "array", "items": _ID}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


_SHARED: dict[str, Any] = {
    "Batch": {**_object(["batch"], batch={"type": "array", "items": _ref("Event")})},
    "Accepted": _object(
        ["status", "event_id", "ack"],
        status={"enum": ["success", "sampled_out"]},
        event_id=_ID,
        ack=_ACK,
    ),
    "DeadLettered": _object(
        ["status", "event_id", "ack", "errors"],
        status={"const": "dead_lettered"},
        event_id=_ID,
        ack=_ACK,
        errors=_ERRORS,
    ),
    "BatchAccepted": _object(
        ["status", "accepted", "ack"],
        status={"const": "success"},
        accepted={"type": "integer"},
        ack=_ACK,
        event_ids=_IDS,
        results=_RESULTS,
    ),
    "BatchPartial": _object(
        ["status", "accepted", "ack", "results"],
        status={"const": "partial"},
        accepted={"type": "integer"},
        ack=_ACK,
        results=_RESULTS,
    ),
    "Problem": _object(
        ["type", "title", "status", "code", "detail"],
        type={"type": "string"},
        title={"type": "string"},
        status={"type": "integer"},
        code={"type": "string"},
        detail={"type": "string"},
        event_id={"type": "string"},
        event_ids=_IDS,
        errors=_ERRORS,
    ),
}
