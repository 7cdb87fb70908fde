"""A producer that loses nothing it was told is written."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import confluent_kafka
from confluent_kafka import KafkaError

from etld.kafka.errors import KafkaProblem, QueueFull, TooLarge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.kafka.receipt import OnDelivery

DURABLE: Mapping[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 5,
    "compression.type": "lz4",
    "batch.num.messages": 10000,
    "queue.buffering.max.kbytes": 32768,
    "message.timeout.ms": 30000,
    # How large a record may be is the topic's to say.
    "message.max.bytes": 64 << 20,
}


class Producer:
    """Sends records; what became of each is told inside `poll` or `flush`.

    `settings` (from `client_settings`) come over the durable defaults: acks=all and idempotent.
    Create it after the fork: librdkafka's threads do not survive one.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        merged = {**DURABLE, **settings}
        self._producer = confluent_kafka.Producer(merged, logger=logging.getLogger("etld.kafka"))
        #: A record was acknowledged since somebody last made this False. (What `poll` returns counts errors of the
        #: connection too.)
        self.heard = False
        #: Why it can never send again; "" as long as it can.
        self.broken = ""

    def produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] | None = None,
        on_delivery: OnDelivery | None = None,
    ) -> None:
        """See `ports.ProducerPort`."""
        try:
            if headers:
                self._producer.produce(topic, value, key, headers=list(headers), on_delivery=on_delivery)
            else:
                self._producer.produce(topic, value, key, on_delivery=on_delivery)
        except BufferError as error:
            raise QueueFull(f"the queue to topic {topic} is full: Kafka takes less than is sent") from error
        except confluent_kafka.KafkaException as error:
            kind = TooLarge if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE else KafkaProblem
            raise kind(f"a record for topic {topic}: {error.args[0].str()}") from error

    def poll(self, timeout: float = 0) -> int:
        """Tell of deliveries for up to `timeout` seconds; how many."""
        return self._producer.poll(timeout)

    def flush(self, timeout: float) -> int:
        """Wait up to `timeout` seconds for all that is queued; how many records still wait."""
        return self._producer.flush(timeout)

    def probe(self, topic: str, timeout: float) -> None:
        """Ask the cluster for a topic; raises `KafkaProblem` when it, or the topic's leaders, do not answer."""
        try:
            described = self._producer.list_topics(topic, timeout).topics[topic]
        except confluent_kafka.KafkaException as error:
            raise KafkaProblem(error.args[0].str()) from error
        if described.error is not None:
            raise KafkaProblem(described.error.str())
        leaderless = [one.id for one in described.partitions.values() if one.leader < 0]
        if leaderless:
            raise KafkaProblem(f"topic {topic} has no leader for partition {leaderless[0]}")

    def __len__(self) -> int:
        return len(self._producer)
