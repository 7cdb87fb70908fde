"""A bad record as a dead letter."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from etld.deadletters import letter_headers
from etld.deadletters.outbox import Letter
from etld.events.ids import canonical, dead_letter_id
from etld.serdes.formats import SCHEMA_HEADER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.kafka.records import Records
    from etld.kafka.types import Record
    from etld.serdes.base import BadRecord


log = logging.getLogger("etld.processor")

#: So many letters of a batch are told one by one, the others as a number.
_TOLD = 5
_FIELDS = {
    "topic": letter_headers.TOPIC,
    "partition": letter_headers.PARTITION,
    "offset": letter_headers.OFFSET,
    "event_id": letter_headers.EVENT_ID,
    "stage": letter_headers.STAGE,
    "sqlstate": letter_headers.SQLSTATE,
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a dead record comes from: the topic's id tells one life of a topic from the next."""

    cluster_id: str
    topic_id: str
    event_type: str


def letter(source: Source, record: Record, bad: BadRecord, sqlstate: str | None) -> Letter:
    """The letter for a record: its bytes as they are, and why it is dead."""
    identity = dead_letter_id(source.cluster_id, source.topic_id, record.partition.number, record.offset)
    headers = letter_headers.headers(
        dead_letter_id=identity,
        topic=record.partition.topic,
        partition=record.partition.number,
        offset=record.offset,
        stage=cast("letter_headers.Stage", bad.stage),
        error_class=bad.error_class,
        message=bad.message,
        event_id=_event_id(record.key),
        event_type=source.event_type,
        sqlstate=sqlstate,
        schema=letter_headers.schema_header(record.headers, SCHEMA_HEADER),
        accepted_at=None if record.timestamp is None else round(record.timestamp.timestamp() * 1000),
        **letter_headers.carried(record.headers),
    )
    return Letter(identity, record.key, record.value, letter_headers.as_text(headers))


def live(records: Sequence[Records], written: Sequence[Letter]) -> tuple[int, int]:
    """How many of a batch's records, and how many of its letters, are no repairs.

    A replay of letters that stay broken is no reason to keep live events waiting. Headers take their time,
    so nobody looks at them where all was well.
    """
    count = sum(map(len, records))
    if not written:
        return count, 0
    dead = sum(letter_headers.REPAIR_OF not in one.headers for one in written)
    repairs = sum(bool(letter_headers.carried(found)) for some in records for found in some.headers() if found)
    return count - repairs, dead


def _event_id(key: bytes | None) -> str | None:
    """The key, where it is an event id, as etld's own producers make it."""
    try:
        return canonical((key or b"").decode())
    except ValueError:
        return None


def tell(letters: Sequence[Letter]) -> None:
    """Log dead letters with their coordinates; what is in them is for `etld dlq show` alone."""
    for one in letters[:_TOLD]:
        fields: dict[str, str | int | None] = {name: one.headers.get(header) for name, header in _FIELDS.items()}
        fields |= {name: int(fields[name] or 0) for name in ("partition", "offset")}
        log.warning("dead letter: %s", one.headers.get(letter_headers.CLASS_NAME), extra=fields)
    if len(letters) > _TOLD:
        topic = letters[0].headers.get(letter_headers.TOPIC)
        log.warning("%d more dead letters of this batch", len(letters) - _TOLD, extra={"topic": topic})
