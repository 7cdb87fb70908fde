"""The relay: from the outbox in PostgreSQL to the dead letter queue in Kafka.

A letter is deleted after Kafka has it; a relay that dies between the two sends it again, and its id makes
the second one harmless.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from etld.kafka.errors import KafkaProblem, QueueFull
from etld.kafka.producer import Producer
from etld.store import outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from etld.store.db import Connection

log = logging.getLogger("etld.processor")

_AT_ONCE = 500
_ACK_WITHIN = 8.0


class Relay:
    """Sends what waits in the outbox; any processor relays for all."""

    def __init__(self, settings: Mapping[str, Any], topic: str, beat: Callable[[], None]) -> None:
        self._settings = settings
        self._topic = topic
        self._beat = beat
        self._producer: Producer | None = None

    def run(self, conn: Connection) -> int:
        """Relay up to 500 letters; how many. Raises `KafkaProblem` when Kafka does not take them."""
        with conn.transaction():
            letters = outbox.take(conn, _AT_ONCE)
            if not letters:
                return 0
            outbox.remove(conn, self._send(letters))
        return len(letters)

    def _send(self, letters: list[outbox.Waiting]) -> list[int]:
        if self._producer is None:
            self._producer = Producer({**self._settings, "message.timeout.ms": int(_ACK_WITHIN * 1000)})
        acknowledged: list[int] = []
        failed: list[str] = []
        for letter in letters:

            def delivered(error: Any, _message: Any, row_id: int = letter.row_id) -> None:
                if error is None:
                    acknowledged.append(row_id)
                else:
                    failed.append(error.str())

            headers = [(name, value.encode()) for name, value in letter.headers.items()]
            try:
                self._producer.produce(self._topic, letter.key, letter.value, headers, delivered)
            except QueueFull:
                break
        deadline = time.monotonic() + _ACK_WITHIN
        while self._producer.flush(0.5) and time.monotonic() < deadline:
            self._beat()
        if not acknowledged:
            raise KafkaProblem(f"Kafka does not take dead letters: {failed[0] if failed else 'no answer'}")
        log.info("sent %d dead letters to %s", len(acknowledged), self._topic, extra={"topic": self._topic})
        return acknowledged
