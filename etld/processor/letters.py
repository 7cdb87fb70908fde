"""A bad record as a dead letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.events import deadletter
from etld.events.ids import dead_letter_id
from etld.store.outbox import Letter

if TYPE_CHECKING:
    from etld.avro.columnar import Bad
    from etld.stream import Batch


def letter(cluster_id: str, batch: Batch, bad: Bad, sqlstate: str | None, event_id: str | None) -> Letter:
    """The letter for row `bad.row` of the batch: its bytes as they are, and why it is dead."""
    records, index = batch.locate(bad.row)
    offset = records.offsets[index]
    identity = dead_letter_id(cluster_id, records.topic_id, records.partition, offset)
    came_with = records.headers(index)
    message = records.messages[index]
    headers = deadletter.headers(
        dead_letter_id=identity,
        topic=records.topic,
        partition=records.partition,
        offset=offset,
        stage=bad.stage,
        exception_class=bad.error_class,
        message=bad.message,
        event_id=event_id,
        sqlstate=sqlstate,
        repair_of=_text(came_with.get(deadletter.REPAIR_OF)),
        attempt=_text(came_with.get(deadletter.ATTEMPT)),
    )
    return Letter(
        identity,
        message.key(),
        message.value(),
        {name: value.decode("utf-8", "replace") for name, value in headers},
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
