"""What leaves the corrector: repairs to the topics of their types, parked letters to parked_events.

Each is marked after Kafka has it. A worker that dies between the two sends the same bytes with the same
event_id again, which the table's unique key and the letter's id make harmless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.deadletters import letter_headers, lifecycle
from etld.kafka.delivery import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from etld.postgres.connections import Connection

# Shorter than a lock timeout: the row locks of what is on its way are held meanwhile.
_ACK_WITHIN = 3.0


class LetterSender:
    """Sends, waits for Kafka (and calls `tick` meanwhile), marks: a transaction each time."""

    def __init__(self, settings: Mapping[str, Any], parked_topic: str) -> None:
        self._parked_topic = parked_topic
        self._delivery: Delivery[str] = Delivery(settings, _ACK_WITHIN, "letter")

    @property
    def problem(self) -> str | None:
        """Which letter cannot go, and why; None when all can."""
        return self._delivery.problem

    def repairs(self, conn: Connection, limit: int, tick: Callable[[], None]) -> int:
        """Send up to `limit` repairs; how many Kafka took. Raises `KafkaProblem` when it takes none."""
        with conn.transaction(), conn.cursor() as cur:
            waiting = lifecycle.take_repaired(cur, limit, self._delivery.aside())
            acknowledged = self._delivery.send(
                (
                    (one.id, one.topic, one.key.encode(), one.value, repair_headers(one.id, one.attempt))
                    for one in waiting
                ),
                tick,
            )
            lifecycle.mark_resent(cur, [(letter, *where) for letter, where in acknowledged.items()])
        return len(acknowledged)

    def parked(self, conn: Connection, limit: int, tick: Callable[[], None]) -> int:
        """Send up to `limit` parked letters to parked_events; how many Kafka took. Raises `KafkaProblem`."""
        with conn.transaction(), conn.cursor() as cur:
            waiting = lifecycle.take_parked(cur, limit, self._delivery.aside())
            acknowledged = self._delivery.send(
                ((one.id, self._parked_topic, one.key, one.value, parked_headers(one)) for one in waiting),
                tick,
            )
            lifecycle.mark_announced(cur, list(acknowledged))
        return len(acknowledged)


def repair_headers(letter_id: str, attempt: int) -> list[tuple[str, bytes]]:
    """What tells a repair from other events; a processor that cannot store it copies both."""
    return [(letter_headers.REPAIR_OF, letter_id.encode()), (letter_headers.ATTEMPT, str(attempt).encode())]


def parked_headers(letter: lifecycle.ParkedLetter) -> list[tuple[str, bytes]]:
    """The headers that the letter had, and why it is parked; its id tells a repetition."""
    kept = {
        **letter.headers,
        letter_headers.DEAD_LETTER_ID: letter.id,
        letter_headers.ATTEMPT: str(letter.attempts),
        letter_headers.PARKED_REASON: letter.reason or "",
    }
    return [(name, value.encode("utf-8", "replace")) for name, value in kept.items()]
