"""The OpenAPI document of the console's JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from etld import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.console.page import Field, Page, PageAction

_NAMES = re.compile(r"\{(\w+)\}")
_OBJECT = {"type": "object"}
_EXPLAIN = {"type": "string", "description": "What `etld explain` tells more of."}
_ERROR = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}, "explain": _EXPLAIN},
}
_OUTCOME = {
    "type": "object",
    "required": ["outcome", "message"],
    "properties": {
        "outcome": {"enum": ["done", "under way", "refused", "failed"]},
        "message": {"type": "string"},
        "explain": _EXPLAIN,
    },
}


def document(pages: Sequence[Page]) -> dict[str, Any]:
    """OpenAPI 3.1 for every page and action."""
    paths: dict[str, Any] = {}
    for page in pages:
        paths[page.api_path] = {"get": _get(page)}
        for action in page.actions:
            paths[f"/api/v1/{page.name}/{action.name}"] = {"post": _post(page, action)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "etld console", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR, "Outcome": _OUTCOME},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # Or a session, or nothing where nobody logs in.
        "security": [{"token": []}, {}],
    }


def _get(page: Page) -> dict[str, Any]:
    named = _NAMES.findall(page.path)
    parameters = [
        {
            "name": field.name,
            "in": "path" if field.name in named else "query",
            "required": field.name in named,
            "description": field.description,
            "schema": _schema(field),
        }
        for field in page.fields
    ]
    return {
        "operationId": page.name,
        "summary": page.description,
        "parameters": parameters,
        "responses": {"200": _answer("What the page shows.", _OBJECT), **_errors(400, 401, 403, 404, 429, 503)},
    }


def _post(page: Page, action: PageAction) -> dict[str, Any]:
    body = {
        "type": "object",
        "required": [field.name for field in action.fields if field.required],
        "properties": {field.name: {**_schema(field), "description": field.description} for field in action.fields},
    }
    outcome = {"$ref": "#/components/schemas/Outcome"}
    return {
        "operationId": f"{page.name}_{action.name}",
        "summary": f"{action.description} For the role {action.role}.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": _answer("Done.", outcome),
            "202": _answer("Under way.", outcome),
            "403": _answer("Not with this role, or from another site.", {"anyOf": [outcome, _ref()]}),
            "409": _answer("It failed; the message says why.", outcome),
            **_errors(400, 401, 413, 415, 429),
        },
    }


def _schema(field: Field) -> dict[str, Any]:
    if field.integer:
        return {"type": "integer", "minimum": field.least, "maximum": field.most}
    return {"type": "string", "maxLength": field.longest}


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _errors(*codes: int) -> dict[str, Any]:
    told = {str(code): _answer("The message says what is wrong.", _ref()) for code in codes}
    # What is no HTTP, or longer than a request may be, is answered before anybody knows that it was for the API.
    told["400"]["content"]["text/plain"] = {"schema": {"type": "string"}}
    return told


def _ref() -> dict[str, str]:
    return {"$ref": "#/components/schemas/Error"}
