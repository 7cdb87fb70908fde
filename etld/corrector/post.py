"""What leaves the corrector: repairs to the topics of their types, parked letters to parked_events.

Each is marked after Kafka has it. A worker that dies between the two sends the same bytes with the same
event_id again, which the table's unique key and the letter's id make harmless.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from etld.events import deadletter
from etld.kafka.errors import KafkaProblem, QueueFull
from etld.kafka.producer import Producer
from etld.store import repairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from etld.store.db import Connection

    Record = tuple[str, str, bytes | None, bytes | None, list[tuple[str, bytes]]]

# Shorter than a lock timeout: the row locks of what is on its way are held meanwhile.
_ACK_WITHIN = 3.0
REASON = "etld.parked.reason"


class Post:
    """Sends, waits for Kafka, marks: a transaction each time."""

    def __init__(self, settings: Mapping[str, Any], tick: Callable[[], None]) -> None:
        self._settings = settings
        self._tick = tick
        self._producer: Producer | None = None

    def repairs(self, conn: Connection, limit: int) -> int:
        """Send up to `limit` repairs; how many Kafka took. Raises `KafkaProblem` when it takes none."""
        with conn.transaction(), conn.cursor() as cur:
            waiting = repairs.take_repaired(cur, limit)
            acknowledged = self._send(
                (one.id, one.topic, one.key.encode(), one.value, repair_headers(one.id, one.attempt)) for one in waiting
            )
            repairs.mark_resent(cur, [(letter, *where) for letter, where in acknowledged.items()])
        return len(acknowledged)

    def parked(self, conn: Connection, limit: int) -> int:
        """Send up to `limit` parked letters to parked_events; how many Kafka took. Raises `KafkaProblem`."""
        with conn.transaction(), conn.cursor() as cur:
            waiting = repairs.take_parked(cur, limit)
            acknowledged = self._send(
                (one.id, deadletter.PARKED_TOPIC, one.key, one.value, parked_headers(one)) for one in waiting
            )
            repairs.mark_announced(cur, list(acknowledged))
        return len(acknowledged)

    def _send(self, records: Iterable[Record]) -> dict[str, tuple[int, int]]:
        """Id to (partition, offset) of what Kafka acknowledged in time."""
        if self._producer is None:
            self._producer = Producer({**self._settings, "message.timeout.ms": int(_ACK_WITHIN * 1000)})
        acknowledged: dict[str, tuple[int, int]] = {}
        failed: list[str] = []
        queued = 0
        for letter_id, topic, key, value, headers in records:

            def delivered(error: Any, message: Any, letter_id: str = letter_id) -> None:
                if error is None:
                    acknowledged[letter_id] = (message.partition(), message.offset())
                else:
                    failed.append(error.str())

            try:
                self._producer.produce(topic, key, value, headers, delivered)
            except QueueFull:
                break
            queued += 1
        deadline = time.monotonic() + _ACK_WITHIN
        while queued and self._producer.flush(0.2) and time.monotonic() < deadline:
            self._tick()
        if queued and not acknowledged:
            raise KafkaProblem(f"Kafka does not take repairs: {failed[0] if failed else 'no answer'}")
        return acknowledged


def repair_headers(letter_id: str, attempt: int) -> list[tuple[str, bytes]]:
    """What tells a repair from other events; a processor that cannot store it copies both."""
    return [(deadletter.REPAIR_OF, letter_id.encode()), (deadletter.ATTEMPT, str(attempt).encode())]


def parked_headers(letter: repairs.Parked) -> list[tuple[str, bytes]]:
    """The headers that the letter had, and why it is parked; its id tells a repetition."""
    kept = {
        **letter.headers,
        deadletter.DEAD_LETTER_ID: letter.id,
        deadletter.ATTEMPT: str(letter.attempts),
        REASON: letter.reason or "",
    }
    return [(name, value.encode("utf-8", "replace")) for name, value in kept.items()]
