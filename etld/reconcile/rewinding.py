"""`etld rewind processor`: a processor reads records again that it has passed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.config.names import PROCESSOR
from etld.errors import EtldError
from etld.kafka.admin import Admin
from etld.kafka.reader import offsets_at
from etld.sinks.postgres.rewind import Rewound, rewind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from etld.config import Config
    from etld.postgres.connections import Connection


def rewind_processor(
    conn: Connection, settings: Mapping[str, Any], config: Config, event_type: str, moment: datetime | None
) -> list[Rewound]:
    """Have the records of an event type from `moment` on read again; None: all that Kafka holds.

    Raises `EtldError` where there is no such topic, and where a partition of it is halted.
    """
    topic = config.event_types[event_type].topic
    admin = Admin(settings)
    known = admin.topics([topic]).get(topic)
    if known is None:
        raise EtldError(f"Kafka has no topic {topic}", code="ETLD-K012")
    to = offsets_at(settings, topic, moment)
    return rewind(conn, admin.cluster_id(), f"{PROCESSOR}{event_type}", topic, known.topic_id, to)
