"""The answers as /openapi.json describes them: their statuses, headers and bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

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


def ref(name: str) -> dict[str, str]:
    """A schema of the document by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def any_of(names: Collection[str]) -> dict[str, Any]:
    """One of these schemas."""
    return {"anyOf": [ref(name) for name in names]} if names else {"type": "object"}


def answered(schema: Any, description: str) -> dict[str, Any]:
    """An answer with a JSON body."""
    return {
        "description": description,
        "content": {"application/json": {"schema": schema}},
    }


def problems(*codes: str) -> dict[str, Any]:
    """The errors with these statuses."""
    content = {"application/problem+json": {"schema": ref("Problem")}}
    return {
        code: {"description": _PROBLEMS[code], "content": content, "headers": _ANSWERED.get(code, {})} for code in codes
    }


_RETRY_AFTER = {
    "Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}, "description": "Seconds"}
}
_ANSWERED: Mapping[str, Any] = {
    "401": {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    "405": {"Allow": {"required": True, "schema": {"type": "string"}}},
    "429": _RETRY_AFTER,
    "503": _RETRY_AFTER,
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
_EXPLAIN = {"type": "string", "description": "What `etld explain` tells more of"}
_RESULT = {
    "type": "object",
    "properties": {
        "index": {"type": "integer"},
        "status": {
            "enum": [
                "success",
                "dead_lettered",
                "sampled_out",
                "ignored",
                "rejected",
            ]
        },
        "code": {"type": "integer"},
        "event_id": {"type": ["string", "null"]},
        "reason": {"type": "string"},
        "detail": {"type": "string"},
        "explain": _EXPLAIN,
        "errors": _ERRORS,
    },
    "required": ["index", "status", "code", "event_id"],
}
_RESULTS = {"type": "array", "items": _RESULT}
_IDS = {"type": "array", "items": _ID}
_CODE = {"type": "string", "description": "For programs"}
_MESSAGE = {"type": "string", "description": "For people"}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


SHARED: dict[str, Any] = {
    "CloudEvent": {
        **_object(
            ["specversion", "id", "source", "type"],
            specversion={"const": "1.0"},
            id={"type": "string", "minLength": 1},
            source={"type": "string", "minLength": 1},
            type={"type": "string", "minLength": 1},
            time={"type": "string", "format": "date-time"},
            data={"description": "user_details and event_details, or the event's details alone"},
            data_base64={"type": "string", "description": "The same, encoded"},
        ),
        "description": "CloudEvents 1.0; `[ingest.cloudevents]` says what event its `type` is",
    },
    "AnyCall": {"type": "object", "description": "Of the call that the path names, where it has no `type`"},
    "SegmentCall": {
        **_object(["type"], type={"enum": ["page", "screen", "identify", "group", "alias"]}),
        "description": "What becomes of it says `[ingest.segment_calls]`",
    },
    "Batch": _object(["batch"], batch={"type": "array", "items": ref("EventOrCall")}),
    "Accepted": _object(
        ["status", "event_id", "ack"],
        status={"enum": ["success", "sampled_out", "ignored"]},
        event_id=_ID,
        ack=_ACK,
    ),
    "DeadLettered": _object(
        ["status", "code", "message", "event_id", "ack", "errors"],
        status={"const": "dead_lettered"},
        code=_CODE,
        message=_MESSAGE,
        explain=_EXPLAIN,
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
        ["status", "code", "message", "accepted", "ack", "results"],
        status={"const": "partial"},
        code=_CODE,
        message=_MESSAGE,
        explain=_EXPLAIN,
        accepted={"type": "integer"},
        ack=_ACK,
        results=_RESULTS,
    ),
    "Problem": _object(
        ["type", "title", "status", "code", "detail", "message"],
        type={"type": "string"},
        title={"type": "string"},
        status={"type": "integer"},
        code={"type": "string"},
        detail={"type": "string"},
        message={"type": "string", "description": "The same as detail"},
        explain=_EXPLAIN,
        event_id={"type": "string"},
        event_ids={
            "type": "array",
            "items": {"type": ["string", "null"]},
            "description": "Of a batch, in order; null for an event that is refused",
        },
        errors=_ERRORS,
    ),
}
