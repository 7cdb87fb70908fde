"""What became of an event that has neither a row nor a dead letter, as far as that can be known."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from etld.config.names import CORRECTOR, PROCESSOR
from etld.kafka.errors import KafkaProblem
from etld.kafka.reader import find_key
from etld.postgres import statements
from etld.reconcile.without_row import letter_is_forgotten, why
from etld.schemas.catalog import keeps

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from etld.config import Config
    from etld.kafka.types import Record
    from etld.reconcile.without_row import Looking, Why

_SQL = statements.load(__package__, "trace")
_TIME_ORDERED = 7
# Clocks of clients may go before those of brokers.
_CLOCKS_DIFFER = timedelta(hours=1)

Name = Literal["waiting", "filtered", "filtered or deleted", "expired", "forgotten", "sampled", "unknown"]
_FORGOTTEN = "`etld forget` erased it, and leaves it out when it comes again"


@dataclass(frozen=True, slots=True)
class Fate:
    """`name` for programs, `text` in words; `record` is the event's in Kafka, where it is still held."""

    name: Name
    text: str
    record: Record | None = None


def fate(at: Looking, kafka_settings: Mapping[str, Any], event_id: str) -> Fate:
    """Look for the event's record in the topics of events, and ask the sampling. Raises psycopg errors."""
    config = at.config
    letters = config.kafka.dead_letter_topic
    topics = [*(kind.topic for kind in config.event_types.values()), letters]
    made_at = _made_at(event_id)
    since = None if made_at is None else made_at - _CLOCKS_DIFFER
    try:
        search = find_key(kafka_settings, topics, event_id.encode(), since)
    except KafkaProblem as error:
        return Fate("unknown", f"neither stored nor a dead letter, and {error}")
    if search.found:
        # Dead records are in both.
        topic = max(search.found, key=letters.__eq__)
        return _of_record(at, search.found[topic], event_id)
    left_out = _sampled(config, event_id)
    if left_out:
        return Fate("sampled", f"the sampling leaves an event of this id out, if it was {' or '.join(left_out)}")
    if not search.complete:
        return Fate("unknown", "neither stored nor a dead letter; Kafka holds too many records to look at all of them")
    if made_at is not None and search.kept_since is not None and search.kept_since > made_at + _CLOCKS_DIFFER:
        return Fate(
            "expired",
            f"neither stored nor a dead letter; its id was made {made_at:%Y-%m-%d %H:%M:%S} UTC, and Kafka's retention"
            " has deleted the records of that time",
        )
    return Fate(
        "unknown",
        f"neither stored nor a dead letter: never accepted, or not read yet from its topic or from {letters}"
        " (see `etld status`)",
    )


def _of_record(at: Looking, record: Record, event_id: str) -> Fate:
    topic, config = record.partition.topic, at.config
    event_type = next((name for name, kind in config.event_types.items() if kind.topic == topic), None)
    group = CORRECTOR if event_type is None else f"{PROCESSOR}{event_type}"
    parameters = {"group": group, "topic": topic, "partition": record.partition.number}
    position = at.conn.execute(_SQL.position, parameters).fetchone()
    if position is None or position[0] <= record.offset:
        return Fate("waiting", f"waits for {config.kafka.prefixed(group)} to read it", record)
    if event_type is None:
        if letter_is_forgotten(at.conn, record):
            return Fate("forgotten", _FORGOTTEN, record)
        return Fate(
            "expired", "its dead letter was resolved or discarded, and deleted after corrector.keep_resolved", record
        )
    by = config.event_types[event_type].transform or "a transform that was configured then"
    told: dict[Why, tuple[Name, str]] = {
        "forgotten": ("forgotten", _FORGOTTEN),
        "expired": ("expired", "its row was stored, and removed when its retention was over"),
        "deleted": ("expired", "its row was stored, and deleted since by somebody else"),
        "filtered": ("filtered", f"{by} left it out"),
        "unclear": (
            "filtered or deleted",
            f"it was read and is not in the table: {by} left it out, or its row was deleted since by somebody else",
        ),
    }
    return Fate(*told[why(at, record, event_type, event_id, any_filtered=position[1])], record)


def _sampled(config: Config, event_id: str) -> list[str]:
    return [
        f"a {name} {event} (sample {share:g})"
        for name, kind in config.event_types.items()
        for event, share in kind.sample.items()
        if not keeps(share, event_id)
    ]


def _made_at(event_id: str) -> datetime | None:
    """When a UUIDv7 says that it was made (RFC 9562); other ids do not tell."""
    known = uuid.UUID(event_id)
    if known.version != _TIME_ORDERED:
        return None
    try:
        return datetime.fromtimestamp((known.int >> 80) / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # anybody may make an id
        return None
