"""Sending letters and waiting for Kafka: one that no topic takes does not stand in the way of the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from confluent_kafka import KafkaError

from etld.kafka.errors import KafkaProblem, QueueFull, TooLarge
from etld.kafka.producer import Producer
from etld.kafka.receipt import OnDelivery

Id = TypeVar("Id", bound=Hashable)
#: An id of the sender's own, topic, key, value, headers.
OutgoingRecord = tuple[Id, str, bytes | None, bytes | None, list[tuple[str, bytes]]]

# Seconds until a record that was too large is tried again: somebody may have raised the topic's limit.
_AGAIN = 30.0


class Delivery(Generic[Id]):
    """A producer that is made when it is first needed, and the records that were too large for their topics."""

    def __init__(self, settings: Mapping[str, Any], within: float, what: str) -> None:
        self._settings = {**settings, "message.timeout.ms": int(within * 1000)}
        self._within = within
        self._what = what
        self._producer: Producer | None = None
        self._aside: dict[Id, tuple[float, str]] = {}

    def aside(self) -> list[Id]:
        """The ids that were too large a moment ago: they wait. What is due again may be gone, or another's by now."""
        now = time.monotonic()
        self._aside = {one: held for one, held in self._aside.items() if held[0] > now}
        return list(self._aside)

    @property
    def problem(self) -> str | None:
        """Which record is too large for its topic, and what to do; None when there is none."""
        if not self._aside:
            return None
        one, (_, topic) = next(iter(self._aside.items()))
        others = f" and {len(self._aside) - 1} others" if len(self._aside) > 1 else ""
        return f"{self._what} {one}{others} is larger than topic {topic} takes: raise its max.message.bytes"

    def send(self, records: Iterable[OutgoingRecord[Id]], tick: Callable[[], None]) -> dict[Id, tuple[int, int]]:
        """Id to (partition, offset) of what Kafka acknowledged in time; raises `KafkaProblem` when it takes none.

        `tick` is called while it waits.
        """
        if self._producer is None:
            self._producer = Producer(self._settings)
        outcome: _Outcome[Id] = _Outcome()
        until = time.monotonic() + self._within
        sent = self._queue(self._producer, records, outcome)
        self._wait(self._producer, until, tick)
        # Kafka refuses a whole batch of records for its size: only what it refuses alone is too large.
        for record in [record for record in sent if record[0] in outcome.too_large]:
            if time.monotonic() > until:
                break
            outcome.too_large.discard(record[0])
            self._queue(self._producer, [record], outcome)
            self._wait(self._producer, until, tick)
        for record in sent:
            self._aside.pop(record[0], None)
            if record[0] in outcome.too_large:
                self._aside[record[0]] = (time.monotonic() + _AGAIN, record[1])
        if sent and not outcome.acknowledged and len(outcome.too_large) < len(sent):
            raise KafkaProblem(f"Kafka does not take a {self._what}: {outcome.failed or 'no answer'}")
        return outcome.acknowledged

    def _queue(
        self, producer: Producer, records: Iterable[OutgoingRecord[Id]], outcome: _Outcome[Id]
    ) -> list[OutgoingRecord[Id]]:
        taken = []
        for record in records:
            one, topic, key, value, headers = record
            try:
                producer.produce(topic, key, value, headers, outcome.callback(one))
            except TooLarge:
                outcome.too_large.add(one)
            except QueueFull:
                break
            taken.append(record)
        return taken

    def _wait(self, producer: Producer, until: float, tick: Callable[[], None]) -> None:
        while producer.flush(0.2) and time.monotonic() < until:
            tick()


class _Outcome(Generic[Id]):
    """What became of the records of one call."""

    def __init__(self) -> None:
        self.acknowledged: dict[Id, tuple[int, int]] = {}
        self.too_large: set[Id] = set()
        self.failed = ""

    def callback(self, one: Id) -> OnDelivery:
        """The delivery callback of a record."""

        def delivered(error: Any, message: Any) -> None:
            if error is None:
                self.acknowledged[one] = (message.partition(), message.offset())
            elif error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                self.too_large.add(one)
            else:
                self.failed = error.str()

        return delivered
