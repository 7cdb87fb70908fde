"""A dead letter at the stations of its life, as frozen values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

STATES = ("new", "repaired", "resent", "resolved", "parked", "discarded")


@dataclass(frozen=True, slots=True)
class ArrivedLetter:
    """A letter as it came from the dead letter queue."""

    id: str
    event_id: str | None
    event_type: str | None
    stage: str
    error_class: str
    error: str
    sqlstate: str | None
    topic: str | None
    partition: int | None
    offset: int | None
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str]
    # Set when this letter is a repair that failed in its turn.
    repair_of: str | None = None
    attempt: int | None = None
    # Its own record in the dead letter queue: where, and since when.
    queue_partition: int | None = None
    queue_offset: int | None = None
    queued_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LockedLetter:
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
class PendingLetter:
    """A letter in state new that is due; `age` is seconds since it came, came back or was replayed.

    `asked_at` (epoch seconds) is when ingest refused it; None: a processor's, which ingest had accepted.
    `schema_header`: see `letter_headers.SCHEMA`. `reason` is why it is where it is.
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
    schema_header: str | None = None
    reason: str | None = None


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
class Decision:
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
