"""May one schema follow another?"""

from __future__ import annotations

import json
from typing import Literal

Level = Literal["BACKWARD", "FORWARD", "FULL", "NONE"]
#: Begins the reason where one of the two cannot be read.
NO_SCHEMA = "not an Avro schema"


def reasons(new: str, old: str, level: Level) -> list[str]:
    """Why `new` may not follow `old`; [] when it may.

    BACKWARD: readers with the new schema read what was written with the old one. FORWARD: the other way
    round. FULL: both.
    """
    found = []
    if level in ("BACKWARD", "FULL"):
        found += [f"{why} (old events could not be read)" for why in _unreadable(reader=new, writer=old)]
    if level in ("FORWARD", "FULL"):
        found += [f"{why} (old readers could not read new events)" for why in _unreadable(reader=old, writer=new)]
    return found


def canonical(schema: str) -> str:
    """The same text for every spelling of the same JSON."""
    return json.dumps(json.loads(schema), sort_keys=True, separators=(",", ":"))


def _unreadable(*, reader: str, writer: str) -> list[str]:
    import avro.errors
    import avro.schema
    from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

    try:
        result = ReaderWriterCompatibilityChecker().get_compatibility(
            avro.schema.parse(reader), avro.schema.parse(writer)
        )
    except avro.errors.AvroException as error:
        return [f"{NO_SCHEMA}: {error}"]
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    where = sorted(_place(json.loads(reader), location) for location in result.locations)
    kinds = sorted({kind.value for kind in result.incompatibilities})
    said = sorted(str(message) for message in result.messages)
    return [f"{', '.join(where)}: {', '.join(kinds)}: {'; '.join(said)}"]


def _place(schema: object, location: str) -> str:
    """`/fields/5/type/fields/0` as `event_details.item_id`."""
    names: list[str] = []
    here = schema
    for token in location.split("/"):
        if not token:
            continue
        try:
            here = here[int(token)] if isinstance(here, list) else here[token]  # type: ignore[index]
        except (KeyError, IndexError, ValueError, TypeError):
            continue
        if isinstance(here, dict) and token.isdigit() and "name" in here:
            names.append(str(here["name"]))
    return ".".join(names) or "schema"
