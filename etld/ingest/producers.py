"""The producers of one ingest process, one for each durability level that is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from etld.ingest.pump import Pump
from etld.kafka import client_settings

if TYPE_CHECKING:
    from etld.config import Config
    from etld.worker import Addresses

Ack = Literal["all", "leader", "enqueued"]
ACKS: tuple[Ack, ...] = ("all", "leader", "enqueued")

#: What a queued record takes besides its bytes, in librdkafka and here; keeps the queue within its memory.
_OVERHEAD = 1024
#: How long librdkafka keeps trying. Past the client's 503: the record may still be written, under the same id.
_GIVE_UP = 120.0


class Pumps:
    """A pump for each durability level that was asked for, made when it is first needed."""

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
        self._pumps: dict[bool, Pump] = {}
        self.main = self._made("leader" if config.ingest.ack == "leader" else "all", "")

    def get(self, ack: Ack) -> Pump:
        """The pump of a level; "enqueued" shares that of "all" and does not wait for it."""
        pump = self._pumps.get(ack == "leader")
        return pump if pump is not None else self._made(ack, self.main.away)

    def _made(self, ack: Ack, away: str) -> Pump:
        leader = ack == "leader"
        settings = producer_settings(self._base, self._config, leader=leader)
        pump = Pump(self._loop, settings, self._topics, self._config.ingest.ack_timeout, away)
        self._pumps[leader] = pump
        return pump

    def configure(self, config: Config, topics: Sequence[str]) -> None:
        """Take what a reload may change; `topics` as at the start, the one to ask for first."""
        self._config, self._topics = config, topics
        for pump in self:
            pump.ack_timeout = pump.contact.patience = config.ingest.ack_timeout
            pump.expect(topics)

    @property
    def broken(self) -> str:
        """Why one of the producers has to be made anew; "" while all are well."""
        return next((pump.broken for pump in self if pump.broken), "")

    def __iter__(self) -> Iterator[Pump]:
        return iter(tuple(self._pumps.values()))

    async def close(self, timeout: float) -> int:
        """Close every pump; how many records were not acknowledged."""
        return sum(await asyncio.gather(*(pump.close(timeout) for pump in self)))


def producer_settings(base: Mapping[str, Any], config: Config, *, leader: bool) -> dict[str, Any]:
    """librdkafka settings of an ingest producer."""
    ingest = config.ingest
    settings: dict[str, Any] = {
        **base,
        "queue.buffering.max.kbytes": max(1024, ingest.queue_limit // 1024),
        "queue.buffering.max.messages": max(1024, ingest.queue_limit // _OVERHEAD),
        "message.timeout.ms": int(max(_GIVE_UP, 2 * ingest.ack_timeout) * 1000),
        "linger.ms": 1,
        "socket.nagle.disable": True,
    }
    if leader:
        settings |= {"acks": 1, "enable.idempotence": False}
    return settings
