"""A bad record as a dead letter."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from etld.events import deadletter
from etld.events.ids import canonical, dead_letter_id
from etld.store.outbox import Letter

if TYPE_CHECKING:
    from etld.avro.columnar import Bad
    from etld.stream import Batch


def letter(cluster_id: str, event_type: str, batch: Batch, bad: Bad, sqlstate: str | None) -> Letter:
    """The letter for row `bad.row` of the batch: its bytes as they are, and why it is dead."""
    records, index = batch.locate(bad.row)
    offset = records.offsets[index]
    message = records.messages[index]
    identity = dead_letter_id(cluster_id, records.topic_id, records.partition, offset)
    headers = deadletter.headers(
        dead_letter_id=identity,
        topic=records.topic,
        partition=records.partition,
        offset=offset,
        stage=cast("deadletter.Stage", bad.stage),
        error_class=bad.error_class,
        message=bad.message,
        event_id=_event_id(message.key()),
        event_type=event_type,
        sqlstate=sqlstate,
        **deadletter.carried(message.headers()),
    )
    return Letter(identity, message.key(), message.value(), deadletter.as_text(headers))


def _event_id(key: bytes | None) -> str | None:
    """The key, where it is an event id, as etld's own producers make it."""
    try:
        return canonical((key or b"").decode())
    except ValueError:
        return None
