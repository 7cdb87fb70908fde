"""Dead letters: why a record could not be stored, as headers in Kafka Connect's vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from etld.util.text import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

TOPIC = "__connect.errors.topic"
PARTITION = "__connect.errors.partition"
OFFSET = "__connect.errors.offset"
STAGE = "__connect.errors.stage"
CLASS_NAME = "__connect.errors.exception.class.name"
MESSAGE = "__connect.errors.exception.message"
EVENT_ID = "etld.event_id"
EVENT_TYPE = "etld.event_type"
SQLSTATE = "etld.sqlstate"
ATTEMPT = "etld.attempt"
DEAD_LETTER_ID = "etld.dead_letter_id"
REPAIR_OF = "etld.repair_of"
# Of a record whose schema stood in a header of its own: that header, in hexadecimal.
SCHEMA = "etld.value_schema_id"
# Of a letter in parked_events.
PARKED_REASON = "etld.parked.reason"
# When Kafka took the dead record, in milliseconds since 1970. A letter of ingest's is itself what was accepted.
ACCEPTED_AT = "etld.accepted_at"
# What the client sent, when the value is a rewriting of it that leaves something out.
ORIGINAL = "etld.original"

# Ingest: the JSON does not fit its schema (VALIDATION). Processor: bytes, storability and hook, table.
Stage = Literal["VALUE_CONVERTER", "VALIDATION", "TRANSFORM", "TASK_PUT"]
VALIDATION: Stage = "VALIDATION"

# A header is read by people; what was wrong stands in its first words.
MAX_MESSAGE = 2000


def headers(  # noqa: PLR0913  # a keyword for each header
    *,
    dead_letter_id: str,
    stage: Stage,
    error_class: str,
    message: str,
    topic: str | None = None,
    partition: int | None = None,
    offset: int | None = None,
    event_id: str | None = None,
    event_type: str | None = None,
    sqlstate: str | None = None,
    attempt: int | str | None = None,
    repair_of: str | None = None,
    schema: str | None = None,
    accepted_at: int | None = None,
) -> list[tuple[str, bytes]]:
    """The headers of one dead letter; what is None is left out.

    `attempt` and `repair_of` are copied from the record when it was itself a repair (`carried`). `schema` is what
    `schema_header` finds in it.
    """
    pairs = (
        (TOPIC, topic),
        (PARTITION, partition),
        (OFFSET, offset),
        (STAGE, stage),
        (CLASS_NAME, error_class),
        (MESSAGE, _clip(message)),
        (EVENT_ID, event_id),
        (EVENT_TYPE, event_type),
        (SQLSTATE, sqlstate),
        (ATTEMPT, attempt),
        (DEAD_LETTER_ID, dead_letter_id),
        (REPAIR_OF, repair_of),
        (SCHEMA, schema),
        (ACCEPTED_AT, accepted_at),
    )
    return [(name, str(value).encode(errors="replace")) for name, value in pairs if value is not None]


def as_text(pairs: Iterable[tuple[str, bytes | None]] | None) -> dict[str, str]:
    """Headers of a record as text by name; the last of a repeated name counts, NULs are dropped."""
    return {name: value.decode(errors="replace").replace("\0", "") for name, value in pairs or () if value is not None}


def schema_header(pairs: Iterable[tuple[str, bytes | None]], name: str) -> str | None:
    """The header of that name which names the schema of a record's value, in hexadecimal: letters have texts."""
    return next((value.hex() for found, value in pairs if found == name and value is not None), None)


def carried(pairs: Iterable[tuple[str, bytes | None]] | None) -> dict[str, str]:
    """`attempt` and `repair_of`, as keywords for `headers`, when the record was a repair."""
    text = as_text(pairs)
    return {key: text[name] for key, name in (("attempt", ATTEMPT), ("repair_of", REPAIR_OF)) if name in text}


def _clip(message: str) -> str:
    return shortened(message.replace("\0", "\\0"), MAX_MESSAGE)
