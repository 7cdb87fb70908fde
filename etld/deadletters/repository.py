"""The dead letters of etld.dead_letter and the audit of every attempt at them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.postgres import statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from etld.postgres.connections import Cursor

_SQL = statements.load(__package__, "repository")

STATES = ("new", "repaired", "resent", "resolved", "parked", "discarded")


@dataclass(frozen=True, slots=True)
class Arrived:
    """A letter as it came from the dead letter queue."""

    id: str
    event_id: str | None
    event_type: str | None
    stage: str
    error_class: str
    error: str
    sqlstate: str | None
    topic: str | None
    part: int | None
    off: int | None
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str]
    # Set when this letter is a repair that failed in its turn.
    repair_of: str | None = None
    attempt: int | None = None
    # Its own record in the dead letter queue: where, and since when.
    queue_part: int | None = None
    queue_off: int | None = None
    queued_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Locked:
    """What is known of the letter whose repair came back."""

    id: str
    state: str
    attempts: int
    base_attempts: int
    reason: str | None
    stage: str
    error_class: str
    error: str
    sqlstate: str | None
    event_type: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A letter in state new that is due; `age` is seconds since it came, came back or was replayed.

    `asked_at` (epoch seconds) is when ingest refused it; None: a processor's, which ingest had accepted.
    """

    id: str
    event_id: str | None
    event_type: str | None
    stage: str
    error_class: str
    error: str
    sqlstate: str | None
    topic: str | None
    value: bytes | None
    attempts: int
    base_attempts: int
    replays: int
    waits_for: int | None
    age: float
    asked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row of the audit."""

    letter: str
    attempt: int
    rule: str | None
    before: Any
    after: Any
    error: str | None
    outcome: str
    stage: str | None = None
    error_class: str | None = None
    sqlstate: str | None = None
    returned_as: str | None = None
    at: datetime | None = None
    #: Of a parked event: what each rule made of it, [{"rule", "after", "problems"}].
    tried: Any = None


@dataclass(frozen=True, slots=True)
class Repair:
    """What goes to Kafka: topic, key (the event_id) and the record's value."""

    topic: str
    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a letter: its next state, the attempt to record, the repair to send.

    `wait` seconds must pass before a letter that stays new is looked at again.
    """

    id: str
    state: str
    attempts: int
    event_type: str | None = None
    repair: Repair | None = None
    reason: str | None = None
    wait: float | None = None
    waits_for: int | None = None
    audit: Attempt | None = None


def clean(text: str | None) -> str | None:
    """A text that PostgreSQL holds: no NUL, no lone surrogate; what was there stays legible."""
    if text is None:
        return None
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def add(cur: Cursor, letters: Sequence[Arrived]) -> int:
    """Keep new letters; how many of them were not there yet."""
    if not letters:
        return 0
    columns: dict[str, Any] = {
        name: [clean(getattr(letter, name)) for letter in letters]
        for name in ("id", "event_id", "event_type", "stage", "error_class", "error", "sqlstate", "topic")
    }
    for name in ("part", "off", "key", "value", "queue_part", "queue_off", "queued_at"):
        columns[name] = [getattr(letter, name) for letter in letters]
    columns["headers"] = [
        json.dumps({clean(name): clean(value) for name, value in letter.headers.items()}) for letter in letters
    ]
    return len(cur.execute(_SQL.add, columns).fetchall())


def lock(cur: Cursor, letter_id: str) -> Locked | None:
    """The letter, locked until the transaction ends; None when there is none."""
    row = cur.execute(_SQL.lock, {"id": letter_id}).fetchone()
    return Locked(*row) if row else None


def record_return(cur: Cursor, letter: Arrived) -> bool:
    """Note on its attempt that a repair came back; False when that is known already."""
    return bool(
        cur.execute(
            _SQL.record_return,
            {
                "id": letter.repair_of,
                "attempt": letter.attempt,
                "returned_as": letter.id,
                "topic": clean(letter.topic),
                "stage": clean(letter.stage),
                "error_class": clean(letter.error_class),
                "error": clean(letter.error),
                "sqlstate": clean(letter.sqlstate),
            },
        ).rowcount
    )


def after_return(cur: Cursor, letter_id: str, state: str, reason: str | None) -> None:
    """The state of a letter whose repair failed."""
    cur.execute(_SQL.after_return, {"id": letter_id, "state": state, "reason": clean(reason)})


def take_new(cur: Cursor, limit: int) -> list[Waiting]:
    """The oldest letters that are due and that nobody else is at; locked until the transaction ends."""
    rows = cur.execute(_SQL.take_new, {"limit": limit}).fetchall()
    return [Waiting(*row) for row in rows]


def of_ids(cur: Cursor, ids: Sequence[str]) -> list[Waiting]:
    """Letters as `take_new` has them, whatever their state, newest first, and not locked."""
    return [Waiting(*row) for row in cur.execute(_SQL.of_ids, {"ids": list(ids)})]


def attempts_of(cur: Cursor, ids: Sequence[str]) -> dict[str, list[Attempt]]:
    """The audit of some letters, oldest attempt first."""
    found: dict[str, list[Attempt]] = {}
    if ids:
        for row in cur.execute(_SQL.attempts_of, {"ids": ids}):
            found.setdefault(row[0], []).append(Attempt(*row))
    return found


def stored_already(cur: Cursor, event_ids: Sequence[str]) -> set[str]:
    """Which of these event ids processed_events has."""
    if not event_ids:
        return set()
    return {row[0] for row in cur.execute(_SQL.stored_already, {"ids": event_ids})}


def settle(cur: Cursor, settled: Sequence[Settled]) -> None:
    """Write what became of letters that `take_new` locked, and its audit, together."""
    if not settled:
        return
    audit = [one.audit for one in settled if one.audit is not None]
    if audit:
        cur.execute(_SQL.add_attempts, _attempt_columns(audit))
    columns: dict[str, Any] = {
        name: [getattr(one, name) for one in settled] for name in ("id", "state", "attempts", "wait", "waits_for")
    }
    columns["event_type"] = [clean(one.event_type) for one in settled]
    columns["reason"] = [clean(one.reason) for one in settled]
    for name in ("topic", "key", "value"):
        columns[f"repair_{name}"] = [getattr(one.repair, name) if one.repair else None for one in settled]
    cur.execute(_SQL.settle, columns)


def _attempt_columns(audit: Sequence[Attempt]) -> dict[str, Any]:
    return {
        "id": [one.letter for one in audit],
        "attempt": [one.attempt for one in audit],
        "rule": [clean(one.rule) for one in audit],
        "before": [as_json(one.before) for one in audit],
        "after": [as_json(one.after) for one in audit],
        "tried": [as_json(one.tried) for one in audit],
        "error": [clean(one.error) for one in audit],
        "outcome": [one.outcome for one in audit],
    }


def as_json(value: Any) -> str | None:
    """A decoded event as the audit keeps it: plain ASCII JSON, so that any text fits; None is NULL."""
    if value is None:
        return None
    try:
        return json.dumps(value, default=str, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
