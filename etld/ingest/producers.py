"""The producers of one ingest process, one for each durability level that is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from etld.ingest.producer_thread import ProducerThread
from etld.kafka.settings import client_settings

if TYPE_CHECKING:
    from etld.config import Config
    from etld.worker import Addresses

Ack = Literal["all", "leader", "enqueued"]
ACKS: tuple[Ack, ...] = ("all", "leader", "enqueued")

#: What a queued record takes besides its bytes, in librdkafka and here; keeps the queue within its memory.
_OVERHEAD = 1024
#: How long librdkafka keeps trying. Past the client's 503: the record may still be written, under the same id.
_GIVE_UP = 120.0


class Producers:
    """A producer for each durability level that was asked for, made when it is first needed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        config: Config,
        addresses: Addresses,
        topics: Sequence[str],
    ) -> None:
        self._loop = loop
        self._config = config
        self._base = client_settings(config, addresses)
        self._topics = topics
        self._producers: dict[tuple[bool, bool], ProducerThread] = {}
        self.main = self._made("leader" if config.ingest.ack == "leader" else "all", "")

    def get(self, ack: Ack) -> ProducerThread:
        """The producer of a level; "enqueued" shares that of "all" and does not wait for it."""
        producer = self._producers.get((ack == "leader", False))
        return producer if producer is not None else self._made(ack, self.main.away)

    def _made(self, ack: Ack, away: str) -> ProducerThread:
        leader = ack == "leader"
        settings = producer_settings(self._base, self._config, leader=leader)
        ack_timeout = self._config.ingest.ack_timeout
        alone = partial(self._alone, leader=leader)
        producer = ProducerThread(self._loop, settings, self._topics, ack_timeout, away, alone)
        self._producers[leader, False] = producer
        return producer

    def _alone(self, *, leader: bool) -> ProducerThread:
        """The one whose batches have one record each: Kafka refuses a whole batch for its size."""
        producer = self._producers.get((leader, True))
        if producer is None:
            settings = producer_settings(self._base, self._config, leader=leader)
            settings |= {"batch.num.messages": 1, "linger.ms": 0}
            producer = ProducerThread(self._loop, settings, self._topics, self._config.ingest.ack_timeout)
            self._producers[leader, True] = producer
        return producer

    def configure(self, config: Config, topics: Sequence[str]) -> None:
        """Take what a reload may change; `topics` as at the start, the one to ask for first."""
        self._config, self._topics = config, topics
        for producer in self:
            producer.ack_timeout = producer.contact.patience = config.ingest.ack_timeout
            producer.expect(topics)

    @property
    def broken(self) -> str:
        """Why one of the producers has to be made anew; "" while all are well."""
        return next((producer.broken for producer in self if producer.broken), "")

    def __iter__(self) -> Iterator[ProducerThread]:
        return iter(tuple(self._producers.values()))

    async def close(self, seconds: float) -> int:
        """Close every producer; how many records were not acknowledged within so many seconds."""
        return sum(await asyncio.gather(*(producer.close(seconds) for producer in self)))


def producer_settings(base: Mapping[str, Any], config: Config, *, leader: bool) -> dict[str, Any]:
    """The settings of an ingest producer, for librdkafka."""
    ingest = config.ingest
    settings: dict[str, Any] = {
        **base,
        "queue.buffering.max.kbytes": max(1024, ingest.queue_limit // 1024),
        "queue.buffering.max.messages": max(1024, ingest.queue_limit // _OVERHEAD),
        "message.timeout.ms": int(max(_GIVE_UP, 2 * ingest.ack_timeout) * 1000),
        "linger.ms": 1,
        # What is too large is the topic's to say: librdkafka shall send whatever ingest takes.
        "message.max.bytes": min(1_000_000_000, (64 << 20) + 2 * ingest.max_event),
        "socket.nagle.disable": True,
    }
    if leader:
        settings |= {"acks": 1, "enable.idempotence": False}
    return settings
