"""Dead letters from the queue into the table: read, whoever wrote them, and kept or noted as returns of repairs."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import orjson

from etld.deadletters import letter_headers, outcomes, repository
from etld.deadletters.decision import after_return
from etld.deadletters.failure import Failure
from etld.deadletters.letters import ArrivedLetter
from etld.events.ids import canonical
from etld.postgres.errors import DatabaseError, classify
from etld.sinks.postgres.unwrap import cursor_of
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.kafka.types import Partition
    from etld.postgres.connections import Cursor
    from etld.sinks.base import Transaction

log = logging.getLogger("etld.corrector")

# Noted before; noted now; and that was the end of its letter.
Return = Literal["known", "noted", "parked"]
_LONGEST = 250


def read(own_id: str, key: bytes | None, value: bytes | None, headers: Mapping[str, str]) -> ArrivedLetter:
    """A letter from its record. `own_id` serves when a foreign producer gave it none."""
    return ArrivedLetter(
        id=_uuid(headers.get(letter_headers.DEAD_LETTER_ID)) or own_id,
        event_id=_short(headers.get(letter_headers.EVENT_ID)) or _uuid(_text(key)),
        event_type=_short(headers.get(letter_headers.EVENT_TYPE)) or _type_in(value),
        stage=_short(headers.get(letter_headers.STAGE)) or "UNKNOWN",
        error_class=_short(headers.get(letter_headers.CLASS_NAME)) or "Unknown",
        error=headers.get(letter_headers.MESSAGE) or "no reason was given",
        sqlstate=_short(headers.get(letter_headers.SQLSTATE)),
        topic=_short(headers.get(letter_headers.TOPIC)),
        partition=_number(headers.get(letter_headers.PARTITION), 31),
        offset=_number(headers.get(letter_headers.OFFSET), 63),
        key=key,
        value=value,
        headers=headers,
        repair_of=_uuid(headers.get(letter_headers.REPAIR_OF)),
        attempt=_number(headers.get(letter_headers.ATTEMPT), 31),
    )


def keep(
    transaction: Transaction,
    letters: Sequence[tuple[Partition, ArrivedLetter]],
    *,
    one_by_one: bool,
    max_attempts: int,
    window: int,
) -> dict[Partition, int]:
    """Keep new letters, note those that are returns of repairs; how many of each partition were known already.

    `one_by_one`: the sink refused them together. `window`: as `etld.deadletters.outcomes.note` takes it.
    """
    cur = cursor_of(transaction)
    known: dict[Partition, int] = {}
    fresh: dict[Partition, list[ArrivedLetter]] = {}
    failed = 0
    for partition, letter in letters:
        back = _note_return(cur, letter, max_attempts)
        if back is None:
            fresh.setdefault(partition, []).append(letter)
        elif back == "known":
            known[partition] = known.get(partition, 0) + 1
        failed += back == "parked"
    for partition, some in fresh.items():
        unique = list({letter.id: letter for letter in some}.values())
        added = _add_each(cur, unique) if one_by_one else repository.add(cur, unique)
        known[partition] = known.get(partition, 0) + len(some) - added
    # Letters are locked before the one row of the breaker, here and where they are resolved.
    outcomes.note(cur, window, came_back=[0.0] * failed)
    return known


def _note_return(cur: Cursor, letter: ArrivedLetter, max_attempts: int) -> Return | None:
    """Note that a repair came back as a dead letter; None: it is none, but a letter of its own."""
    if letter.repair_of is None or letter.attempt is None:
        return None
    original = repository.lock(cur, letter.repair_of)
    if original is None:
        return None
    history = repository.attempts_of(cur, [original.id]).get(original.id, [])
    if not repository.record_return(cur, letter):
        # The repair went out twice, or its attempt is not known any more, after a failover to a standby that was
        # behind: then this tells of a dead record of its own, and is kept as such.
        return "known" if any(one.returned_as == letter.id for one in history) else None
    current = letter.attempt == original.attempts
    left_out = original.state == "resolved" and any(
        one.attempt == letter.attempt and one.outcome == "filtered" for one in history
    )
    if not current or not (original.state in ("repaired", "resent") or left_out):
        return "noted"
    failure = Failure(letter.stage, letter.error_class, letter.error, letter.sqlstate, letter.event_type)
    state, reason = after_return(original, history, failure, max_attempts)
    repository.after_return(cur, original.id, state, reason)
    return "parked" if state == "parked" else "noted"


def _add_each(cur: Cursor, letters: Sequence[ArrivedLetter]) -> int:
    """Keep letters one by one, and what is refused alone as its bytes only; how many of them were not there yet."""
    new = 0
    for letter in letters:
        try:
            with cur.connection.transaction():
                new += repository.add(cur, [letter])
        except DatabaseError as error:
            if classify(error) != "data":
                raise
            log.warning("letter %s cannot be kept with what its headers say: %s", letter.id, one_line(error))
            bare = replace(
                letter, event_id=None, event_type=None, topic=None, headers={}, error="its headers were refused"
            )
            new += repository.add(cur, [bare])
    return new


def _type_in(value: bytes | None) -> str | None:
    if not value or value[:1] != b"{":
        return None
    try:
        event: Any = orjson.loads(value)
    except ValueError:
        return None
    found = event.get("event_type")
    return found[:_LONGEST] if isinstance(found, str) else None


def _short(text: str | None) -> str | None:
    # What is looked up is indexed, and an index takes no long texts; the headers keep all of it.
    return None if text is None else text[:_LONGEST]


def _uuid(text: str | None) -> str | None:
    try:
        return canonical(text) if text else None
    except ValueError:
        return None


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def _number(text: str | None, bits: int) -> int | None:
    # Python reads no number of thousands of digits, and none of these has more than nineteen.
    digits = text if text and len(text) < 20 and text.isdecimal() and text.isascii() else ""
    return int(digits) if digits and int(digits) < 2**bits else None
