"""A dead letter's bytes as an event: JSON from ingest, Avro from a processor."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from etld.schemas.registry import UnknownSchema
from etld.schemas.tree import SchemaError
from etld.serdes import base, formats
from etld.serdes.base import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etld.serdes.base import SchemaFor


@dataclass(frozen=True, slots=True)
class DecodedLetter:
    """The event that the bytes are, in JSON's words, or why they are none; `waits_for` is an unknown schema id."""

    event: dict[str, Any] | None
    reason: str | None = None
    waits_for: int | None = None


def decode(value: bytes | None, schema_for: SchemaFor) -> DecodedLetter:
    """What the value of a dead letter says. Whatever `schema_for` raises but UnknownSchema goes through."""
    if value is None:
        return DecodedLetter(None, "the record has no value (a tombstone)")
    form = formats.recognised(value)
    if form is None:
        return _json(value)
    try:
        schema_id = form.schema_id(value)
    except DecodeError as error:
        return DecodedLetter(None, str(error))
    try:
        schema = schema_for(schema_id)
    except UnknownSchema:
        return DecodedLetter(None, f"the schema id {schema_id} is unknown to the registry", schema_id)
    except SchemaError as error:
        return DecodedLetter(None, f"the schema {schema_id} is no event's: {error}")
    try:
        return DecodedLetter(form.decode(schema, value))
    except DecodeError as error:
        return DecodedLetter(None, f"undecodable: {error}")


def announce(values: Iterable[bytes | None], schema_for: SchemaFor) -> None:
    """Have all schemas asked for at once that `decode` will need for these values; raises what `schema_for` raises."""
    ids = set()
    for value in values:
        form = formats.recognised(value) if value is not None else None
        if form is not None and value is not None:
            with suppress(DecodeError):
                ids.add(form.schema_id(value))
    if ids:
        base.announce(schema_for, ids)


def _json(value: bytes) -> DecodedLetter:
    try:
        event = orjson.loads(value)
    except ValueError:
        try:
            # Takes what orjson refuses and etld may yet repair: lone surrogates, NaN, large integers.
            event = json.loads(value)
        except (ValueError, RecursionError):
            return DecodedLetter(None, "undecodable: neither Avro in Confluent's wire format nor JSON")
    if not isinstance(event, dict):
        return DecodedLetter(None, "undecodable: JSON, but not an object")
    return DecodedLetter(event)
