"""/openapi.json: what the paths take and answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import etld
from etld.ingest import keys as keyfile
from etld.ingest.event_request import CALL_OF_PATH
from etld.ingest.jsonschema import call_schema, event_schema, example
from etld.ingest.openapi_parts import SHARED, answered, any_of, problems, ref

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.schemas.catalog import EventType


def document(
    types: Mapping[str, EventType],
    paths: Sequence[str],
    *,
    keys: bool = False,
    segment_map: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The OpenAPI 3.1 description of `paths`; `keys`: a write key is needed; `segment_map` where that is spoken."""
    taken = [kind for kind in types.values() if kind.accept]
    names = {kind.name: f"Event_{kind.name}" for kind in taken}
    schemas: dict[str, Any] = {names[kind.name]: event_schema(kind) for kind in taken}
    schemas["Event"] = any_of(names.values())
    calls = {}
    if segment_map is not None:
        listed = Counter(name for kind in types.values() for name in kind.event_names)
        for kind in taken:
            telling = [name for name in kind.event_names if listed[name] == 1]
            calls[f"SegmentTrack_{kind.name}"] = call_schema(kind, segment_map, telling)
    schemas |= calls
    schemas["EventOrCall"] = any_of(("Event", "SegmentTrack", "SegmentCall")) if calls else ref("Event")
    if calls:
        schemas["SegmentTrack"] = any_of(calls)
    schemas |= SHARED
    schemes = {
        **{_scheme(name): {"type": "apiKey", "in": "header", "name": name} for name in keyfile.KEY_HEADERS},
        "bearer": {"type": "http", "scheme": "bearer"},
        "basic": {"type": "http", "scheme": "basic", "description": "The key as user, no password"},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "etld ingest",
            "version": etld.__version__,
            "description": "Events in. A 2xx means that etld has the event durably.",
        },
        "paths": {path: PATHS[path](taken) for path in paths},
        "components": {
            "schemas": schemas,
            "securitySchemes": schemes,
        },
        "security": [{name: []} for name in schemes] if keys else [],
    }


def _scheme(header: str) -> str:
    """The name of a header's scheme, in lower camel case."""
    first, *rest = header.removeprefix("X-").split("-")
    return first.lower() + "".join(rest)


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
    {
        "name": "Content-Encoding",
        "in": "header",
        "schema": {"enum": ["identity", "gzip", "deflate", "zstd"]},
        "description": "How the body is compressed",
    },
    *(
        {"name": f"ce-{name}", "in": "header", "schema": {"type": "string"}, "description": text}
        for name, text in {
            "specversion": "1.0 makes the request a CloudEvent in binary mode, whose data is the body",
            "id": "Of a CloudEvent in binary mode: the event_id, if it is a UUID",
            "source": "Of a CloudEvent in binary mode",
            "type": "Of a CloudEvent in binary mode: see `[ingest.cloudevents]`",
            "time": "Of a CloudEvent in binary mode: triggered_at, else the time it came",
        }.items()
    ),
]
_CLOUD_EVENT = {"application/cloudevents+json": {"schema": ref("CloudEvent")}}
_CLOUD_EVENTS = {
    "application/cloudevents-batch+json": {"schema": {"type": "array", "items": ref("CloudEvent")}},
}
_WRITE = ("400", "401", "403", "405", "408", "413", "415", "422", "429", "503")


def _track(types: list[EventType], schema: str = "Event") -> dict[str, Any]:
    examples = {kind.name: {"value": example(kind)} for kind in types}
    return {
        "post": {
            "summary": "Send one event",
            "parameters": _HEADERS,
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": ref(schema), "examples": examples},
                    **_CLOUD_EVENT,
                },
            },
            "responses": {
                "200": answered(ref("Accepted"), "Kafka has it"),
                "202": answered(
                    ref("DeadLettered"),
                    "It violates its schema and is kept for repair",
                ),
                **problems(*_WRITE),
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
                        "schema": ref("Batch"),
                        "examples": {"batch": {"value": {"batch": events}}},
                    },
                    "application/x-ndjson": {"schema": {"type": "string"}},
                    **_CLOUD_EVENTS,
                },
            },
            "responses": {
                "200": answered(ref("BatchAccepted"), "Kafka has every event"),
                "207": answered(ref("BatchPartial"), "One result an event, in order"),
                **problems(*_WRITE),
            },
        }
    }


def _probe(summary: str, *, unready: bool = False, kind: str = "application/json") -> Any:
    content = {kind: {"schema": {"type": "object" if kind == "application/json" else "string"}}}
    answers = {
        "200": {"description": summary, "content": content},
        **problems("405", *(("503",) if unready else ())),
    }
    return lambda _types: {"get": {"summary": summary, "responses": answers, "security": []}}


_call = partial(_track, schema="EventOrCall")

#: Every path, with what makes its description.
PATHS: Mapping[str, Any] = {
    "/track": _track,
    "/v1/track": _call,
    "/v1/batch": _batch,
    "/v1/t": _call,
    **dict.fromkeys(CALL_OF_PATH, partial(_track, schema="AnyCall")),
    **dict.fromkeys(("/v1/b", "/v1/import", "/beacon/v1/batch"), _batch),
    "/healthz": _probe("The process is alive"),
    "/readyz": _probe("An event now would be accepted", unready=True),
    "/metrics": _probe("Prometheus metrics of the daemon", kind="text/plain"),
    "/openapi.json": _probe("This document"),
}
