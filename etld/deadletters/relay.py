"""The relay: from the outbox in PostgreSQL to the dead letter queue in Kafka.

A letter is deleted after Kafka has it; a relay that dies between the two sends it again, and its id makes
the second one harmless.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from etld.deadletters import outbox
from etld.kafka.delivery import Delivery
from etld.sinks.postgres.unwrap import connection_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from etld.sinks.base import SideConnection

log = logging.getLogger("etld.processor")

_AT_ONCE = 500
_ACK_WITHIN = 8.0


class Relay:
    """Sends what waits in the outbox; any processor relays for all."""

    def __init__(self, settings: Mapping[str, Any], topic: str, beat: Callable[[], None]) -> None:
        self._topic = topic
        self._beat = beat
        # Whether a letter comes twice is told by its id. An idempotent producer would wait half a second for the
        # broker's leave before its first letter, and the reading with it.
        settings = {"enable.idempotence": False, **settings}
        self._delivery: Delivery[int] = Delivery(settings, _ACK_WITHIN, "dead letter in the outbox, row")

    @property
    def problem(self) -> str | None:
        """Which letter cannot go, and why; None when all can."""
        return self._delivery.problem

    def run(self, side: SideConnection) -> int:
        """Relay up to 500 letters; how many. Raises `KafkaProblem` when Kafka does not take them."""
        conn = connection_of(side)
        with conn.transaction():
            letters = outbox.take(conn, _AT_ONCE, self._delivery.aside())
            if not letters:
                return 0
            acknowledged = self._delivery.send(map(self._record, letters), self._beat)
            outbox.remove(conn, acknowledged)
        if acknowledged:
            log.info("sent %d dead letters to %s", len(acknowledged), self._topic, extra={"topic": self._topic})
        return len(acknowledged)

    def _record(self, letter: outbox.OutboxRow) -> tuple[int, str, bytes | None, bytes | None, list[tuple[str, bytes]]]:
        headers = [(name, value.encode()) for name, value in letter.headers.items()]
        return letter.row_id, self._topic, letter.key, letter.value, headers
