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
from etld.serdes.base import ENDS, DecodeError
from etld.util.nesting import DEEPEST, deeper
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etld.serdes.base import Format, SchemaFor


@dataclass(frozen=True, slots=True)
class DecodedLetter:
    """The event that the bytes are, in JSON's words, or why they are none; `waits_for` is an unknown schema id."""

    event: dict[str, Any] | None
    reason: str | None = None
    waits_for: int | None = None


def decode(value: bytes | None, schema_for: SchemaFor, schema_header: str | None = None) -> DecodedLetter:
    """What the value of a dead letter says. Whatever `schema_for` raises but UnknownSchema goes through.

    `schema_header` is the letter's header `etld.value_schema_id`.
    """
    if value is None:
        return DecodedLetter(None, "the record has no value (a tombstone)")
    try:
        framed = _framed(value, schema_header)
        form = formats.recognised(framed)
        return _json(value) if form is None else _in_format(form, framed, schema_for)
    except (DecodeError, ValueError) as error:
        return DecodedLetter(None, f"undecodable: {error}")


def announce(values: Iterable[tuple[bytes | None, str | None]], schema_for: SchemaFor) -> None:
    """Have all schemas asked for at once that `decode` will need for these values, each with its schema header.

    Raises what `schema_for` raises.
    """
    refs = set()
    for value, schema_header in values:
        with suppress(DecodeError, ValueError):
            framed = _framed(value or b"", schema_header)
            form = formats.recognised(framed)
            if form is not None:
                refs.add(form.schema_ref(framed))
    if refs:
        base.announce(schema_for, refs)


def _framed(value: bytes, schema_header: str | None) -> bytes:
    return value if schema_header is None else formats.written().framed(value, bytes.fromhex(schema_header))


def _in_format(form: Format, value: bytes, schema_for: SchemaFor) -> DecodedLetter:
    named = form.schema_ref(value)
    try:
        schema = schema_for(named)
    except UnknownSchema as error:
        waits_for = int(named) if isinstance(named, int) and not error.why else None
        return DecodedLetter(None, str(error), waits_for)
    except SchemaError as error:
        return DecodedLetter(None, f"the schema {named} is no event's: {error}")
    try:
        return DecodedLetter(form.decode(schema, value))
    except (*ENDS, DecodeError):
        raise
    except BaseException as error:
        return DecodedLetter(None, f"undecodable: {type(error).__name__}: {one_line(error)}")


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
    if deeper(event, DEEPEST):
        return DecodedLetter(None, f"undecodable: JSON that nests deeper than {DEEPEST} levels")
    return DecodedLetter(event)
