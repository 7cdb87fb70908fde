"""What may become of an event that a client sent, and what its request says about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etld.ingest.keys import Key
    from etld.ingest.segment import SegmentMap

Errors = list[dict[str, Any]]


@dataclass(slots=True)
class OutgoingRecord:
    """An event for Kafka."""

    topic: str
    event_id: str
    value: bytes
    headers: list[tuple[str, bytes]] | None = None
    errors: Errors | None = None  # of a dead letter
    segment: bool = False  # spelt as Segment does, here and below


@dataclass(slots=True)
class Sampled:
    """A good event that the configured sample leaves out."""

    event_id: str
    segment: bool = False


@dataclass(slots=True)
class Ignored:
    """A call of Segment's that the configuration ignores."""

    call: str
    event_id: str
    segment: bool = True


@dataclass(slots=True)
class Refusal:
    """An event of which nothing is kept; `status` as the answer to a single one has it."""

    status: int
    code: str
    detail: str
    errors: Errors
    event_id: str | None = None
    segment: bool = False


Outcome = OutgoingRecord | Sampled | Ignored | Refusal


@dataclass(frozen=True, slots=True)
class Origin:
    """What a request says about its events."""

    key: Key | None = None
    idempotency_key: str | None = None
    segment: SegmentMap | None = None
    call: str = "track"  # of Segment's that say no `type`: the path does


def too_large(event_id: str, limit: int) -> Refusal:
    """Of an event whose record would have more than `limit` bytes."""
    return Refusal(413, "event_too_large", f"an event may have {limit} bytes", [], event_id)
