"""From the dead letter queue into the table, exactly once: the position moves in the same transaction."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import orjson

from etld.deadletters import letter_headers, outcomes, repository
from etld.deadletters.decision import after_return
from etld.deadletters.failure import Failure
from etld.deadletters.repository import Arrived
from etld.events.ids import canonical, dead_letter_id
from etld.kafka.reader import timestamp
from etld.postgres.errors import DatabaseError, classify
from etld.stream import Batch, Handler, Tally, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from etld.corrector.workshop import Workshop
    from etld.postgres.connections import Connection, Cursor
    from etld.postgres.errors import Verdict
    from etld.stream.batch import Key
    from etld.worker import Worker

log = logging.getLogger("etld.corrector")

_LONGEST = 250
# Noted before; noted now; and that was the end of it.
Return = Literal["known", "noted", "parked"]


@dataclass
class Arrivals(Work):
    """The letters of a batch, with the partition that each came from."""

    letters: list[tuple[Key, Arrived]] = field(default_factory=list)


class Intake(Handler[Arrivals]):
    """Keeps what the dead letter queue brings; what becomes of it is the workshop's business."""

    group = "corrector"
    topics = (letter_headers.DEAD_LETTER_TOPIC,)

    def __init__(self, worker: Worker, workshop: Workshop, look: Callable[[], None]) -> None:
        self._worker = worker
        self._workshop = workshop
        self._look = look

    def prepare(self, batch: Batch) -> Arrivals:
        """Read the headers."""
        work = Arrivals(batch)
        for part in batch:
            for index, message in enumerate(part.messages):
                own = dead_letter_id(self.cluster_id, part.topic_id, part.partition, part.offsets[index])
                arrived = replace(
                    read(own, message.key(), message.value(), letter_headers.as_text(message.headers())),
                    queue_part=part.partition,
                    queue_off=part.offsets[index],
                    queued_at=timestamp(message),
                )
                if arrived.event_type is None:
                    arrived = _typed(arrived, self._workshop.type_of_topic(arrived.topic))
                work.letters.append((part.key, arrived))
            work.tallies[part.key] = Tally(stored=len(part.offsets))
        return work

    def write(self, cur: Cursor, work: Arrivals, verdict: Verdict | None) -> Mapping[Key, Tally]:
        """Insert the new ones, note the returned ones; a letter that is known already is a duplicate."""
        twice: dict[Key, int] = {}
        fresh: dict[Key, list[Arrived]] = {}
        failed = 0
        for key, letter in work.letters:
            back = self._returned(cur, letter)
            if back is None:
                fresh.setdefault(key, []).append(letter)
            elif back == "known":
                twice[key] = twice.get(key, 0) + 1
            failed += back == "parked"
        for key, some in fresh.items():
            unique = {letter.id: letter for letter in some}
            twice[key] = twice.get(key, 0) + len(some) - _added(cur, list(unique.values()), verdict)
        # Letters are locked before the one row of the breaker, here and where they are resolved.
        outcomes.note(cur, self._worker.config.breaker.window, came_back=[0.0] * failed)
        return {key: Tally(stored=-n, duplicate=n) for key, n in twice.items() if n}

    def committed(self, work: Arrivals) -> None:
        """Wake the workshop."""
        log.info("received %d dead letters", work.batch.count)
        self._worker.count("dead_letters_received", work.batch.count)
        self._workshop.arrived()

    def resting(self) -> bool:
        """Is the workshop paused too?"""
        self._look()
        return self._workshop.resting

    def idle(self, conn: Connection) -> None:
        """See that the workshop is alive."""
        self._look()

    def _returned(self, cur: Cursor, letter: Arrived) -> Return | None:
        """Note the return of a repair; None: it is none, but a letter of its own."""
        if letter.repair_of is None or letter.attempt is None:
            return None
        original = repository.lock(cur, letter.repair_of)
        if original is None:
            return None
        history = repository.attempts_of(cur, [original.id]).get(original.id, [])
        if not repository.record_return(cur, letter):
            return "known"
        current = letter.attempt == original.attempts
        left_out = original.state == "resolved" and any(
            one.attempt == letter.attempt and one.outcome == "filtered" for one in history
        )
        if not current or not (original.state in ("repaired", "resent") or left_out):
            return "noted"
        failure = Failure(letter.stage, letter.error_class, letter.error, letter.sqlstate, letter.event_type)
        state, reason = after_return(original, history, failure, self._worker.config.corrector.max_attempts)
        repository.after_return(cur, original.id, state, reason)
        return "parked" if state == "parked" else "noted"


def _added(cur: Cursor, some: list[Arrived], verdict: Verdict | None) -> int:
    """How many of the letters are new; after a refusal one by one, and what is refused alone as its bytes only."""
    if verdict != "data":
        return repository.add(cur, some)
    new = 0
    for one in some:
        try:
            with cur.connection.transaction():
                new += repository.add(cur, [one])
        except DatabaseError as error:
            if classify(error) != "data":
                raise
            log.warning("letter %s cannot be kept with what its headers say: %s", one.id, " ".join(str(error).split()))
            bare = replace(
                one, event_id=None, event_type=None, topic=None, headers={}, error="its headers were refused"
            )
            new += repository.add(cur, [bare])
    return new


def read(own_id: str, key: bytes | None, value: bytes | None, headers: Mapping[str, str]) -> Arrived:
    """A letter from its record. `own_id` serves when a foreign producer gave it none."""
    return Arrived(
        id=_uuid(headers.get(letter_headers.DEAD_LETTER_ID)) or own_id,
        event_id=_short(headers.get(letter_headers.EVENT_ID)) or _uuid(_text(key)),
        event_type=_short(headers.get(letter_headers.EVENT_TYPE)) or _type_in(value),
        stage=_short(headers.get(letter_headers.STAGE)) or "UNKNOWN",
        error_class=_short(headers.get(letter_headers.CLASS_NAME)) or "Unknown",
        error=headers.get(letter_headers.MESSAGE) or "no reason was given",
        sqlstate=_short(headers.get(letter_headers.SQLSTATE)),
        topic=_short(headers.get(letter_headers.TOPIC)),
        part=_number(headers.get(letter_headers.PARTITION), 31),
        off=_number(headers.get(letter_headers.OFFSET), 63),
        key=key,
        value=value,
        headers=headers,
        repair_of=_uuid(headers.get(letter_headers.REPAIR_OF)),
        attempt=_number(headers.get(letter_headers.ATTEMPT), 31),
    )


def _typed(letter: Arrived, event_type: str | None) -> Arrived:
    return replace(letter, event_type=event_type) if event_type else letter


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
