"""Whether one Avro schema can read what another wrote, by the `avro` package's checker."""

from __future__ import annotations

import json
from typing import Any

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.errors import AvroException
from avro.schema import Schema, parse

from etld.registry.port import InvalidSchema


def reasons(old: str, new: str, mode: str) -> list[str]:
    """Why `new` may not follow `old` under BACKWARD, FORWARD, FULL or NONE; [] when it may."""
    found: list[str] = []
    if mode in ("BACKWARD", "FULL"):
        found += _check(reader=new, writer=old, side="old events could not be read with it")
    if mode in ("FORWARD", "FULL"):
        found += _check(reader=old, writer=new, side="readers of the old schema could not read new events")
    return found


def canonical(schema: str) -> str:
    """The schema as compact JSON, by which equal versions are known; raises `InvalidSchema`."""
    _parse(schema)
    return json.dumps(json.loads(schema), separators=(",", ":"), sort_keys=True)


def _check(*, reader: str, writer: str, side: str) -> list[str]:
    result: Any = ReaderWriterCompatibilityChecker().get_compatibility(_parse(reader), _parse(writer))
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    places = sorted(result.locations) or ["/"]
    return [f"{side}: {message} (at {', '.join(places)})" for message in sorted(result.messages)] or [side]


def _parse(text: str) -> Schema:
    try:
        return parse(text)
    except (AvroException, ValueError) as error:
        raise InvalidSchema(f"not an Avro schema: {error}") from error
