"""From the event loop to Kafka and back: one producer, one poll thread, one wake-up for all that it brought.

Waiters are answered on the loop, in batches: a call into the loop for each record would cost more than the
rest of the way together.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from etld.kafka import Producer, QueueFull, client_settings

if TYPE_CHECKING:
    from etld.config import Config
    from etld.worker import Addresses

log = logging.getLogger("etld.ingest")

Ack = Literal["all", "leader", "enqueued"]
ACKS: tuple[Ack, ...] = ("all", "leader", "enqueued")

#: With records on their way and none arriving for this long, new requests are refused at once.
STALL = 0.8
#: How often the cluster is asked whether it is there, when no record has told lately; and for how long.
PROBE_EVERY = 2.0
PROBE_TIMEOUT = 1.5
#: How long librdkafka keeps trying. Past the client's 503: the record may still be written, under the same id.
_GIVE_UP = 120.0
_POLL = 0.5
#: Ticks come this far apart: give up a tick early rather than late.
_SLACK = 0.1


class Away(Exception):
    """Kafka takes nothing now; the message says why."""


class Waiter:
    """One request that waits for `expected` records."""

    __slots__ = ("acks", "expected", "failed", "finished", "pump", "started")

    def __init__(self, pump: Pump, expected: int, started: float) -> None:
        self.pump = pump
        self.expected = expected
        self.acks = 0
        self.failed: list[tuple[bytes | None, str]] | None = None
        self.finished = False
        self.started = started

    def delivered(self, error: Any, message: Any) -> None:
        """The delivery callback of each of its records; on the poll thread."""
        if error is not None:
            if self.failed is None:
                self.failed = []
            self.failed.append((message.key(), str(error)))
        self.acks += 1
        if self.acks >= self.expected:
            self.pump.done.append(self)

    def finish(self, late: bool) -> None:
        """Answer; on the loop, once. `late`: not all records were acknowledged in time."""
        raise NotImplementedError


class Pump:
    """Sends records with one durability level, and finishes waiters when theirs are acknowledged."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: Mapping[str, Any],
        probe_topic: str,
        ack_timeout: float,
    ) -> None:
        self.away = ""
        self.ack_timeout = ack_timeout
        self._loop = loop
        self._producer = Producer(settings)
        self._probe_topic = probe_topic
        self._waiting: dict[Waiter, None] = {}
        self.done: list[Waiter] = []
        self._delivered = 0
        self._seen = 0
        self._progress = self._probed = time.monotonic()
        self._probing: asyncio.Future[str] | None = None
        self._threads = ThreadPoolExecutor(1, "etld-probe")
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="etld-deliveries", daemon=True)
        self._thread.start()

    # On the loop

    def send(
        self,
        topic: str,
        key: str,
        value: bytes,
        headers: Sequence[tuple[str, bytes]] | None,
        waiter: Waiter | None,
    ) -> None:
        """Queue one record for `waiter`; raises `Away`."""
        try:
            self._producer.produce(
                topic,
                key.encode(),
                value,
                headers,
                self._lone if waiter is None else waiter.delivered,
            )
        except QueueFull:
            raise Away("Kafka takes events slower than they come: the queue is full") from None

    def wait(self, waiter: Waiter) -> None:
        """Finish `waiter` once its records are acknowledged, or when that takes too long.

        The poll thread may have counted the last record before `expected` was final: that is found here.
        """
        if waiter.acks >= waiter.expected:
            waiter.finished = True
            waiter.finish(False)
        else:
            self._waiting[waiter] = None

    @property
    def in_flight(self) -> int:
        """Records that Kafka has not acknowledged."""
        return len(self._producer)

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    def tick(self, now: float) -> None:
        """Notice silence and give up on what waited too long; `now` is of the monotonic clock."""
        oldest = now - self.ack_timeout + _SLACK
        while self._waiting:
            waiter = next(iter(self._waiting))
            if waiter.started > oldest:
                break
            self._finish(waiter, True)
        if self._delivered != self._seen:
            self._seen = self._delivered
            self._progress = now
            self.away = ""
        elif not self.in_flight:
            if not self.away:
                self._progress = now
            self._probe(now)
        elif now - self._progress > STALL:
            self.away = self.away or "Kafka has stopped acknowledging"
            self._probe(now)

    def _probe(self, now: float) -> None:
        if self._probing is not None:
            if not self._probing.done():
                return
            reason, self._probing = self._probing.result(), None
            if reason:
                self.away = reason
            elif not self.in_flight:
                self.away = ""
        if now - self._probed >= PROBE_EVERY:
            self._probed = now
            self._probing = self._loop.run_in_executor(self._threads, self._ask)

    def _ask(self) -> str:
        try:
            self._producer.probe(self._probe_topic, PROBE_TIMEOUT)
        except Exception as error:  # whatever is wrong, it is the answer
            return f"Kafka does not answer: {error}"
        return ""

    def _wake(self, done: list[Waiter]) -> None:
        for waiter in done:
            self._finish(waiter, False)

    def _finish(self, waiter: Waiter, late: bool) -> None:
        self._waiting.pop(waiter, None)
        if waiter.finished:
            return
        waiter.finished = True
        try:
            waiter.finish(late)
        except Exception:
            log.exception("an answer could not be sent")

    async def close(self, timeout: float) -> int:
        """Flush and end the thread; how many records are still unacknowledged after `timeout` seconds."""
        until = time.monotonic() + timeout
        while self.in_flight and time.monotonic() < until:
            await asyncio.sleep(0.01)
        left = self.in_flight
        self._closing = True
        await self._loop.run_in_executor(self._threads, self._thread.join, 2 * _POLL)
        self._threads.shutdown(wait=False)
        return left

    # On the poll thread

    def _run(self) -> None:
        poll, loop = self._producer.poll, self._loop
        while not self._closing:
            count = poll(_POLL)
            if count:
                self._delivered += count
            if self.done:
                done, self.done = self.done, []
                try:
                    loop.call_soon_threadsafe(self._wake, done)
                except RuntimeError:  # the loop is closed: nobody waits any more
                    return

    def _lone(self, error: Any, message: Any) -> None:
        if error is not None:
            log.warning("Kafka did not take an event that was only enqueued: %s", error)


class Pumps:
    """A pump for each durability level that was asked for, made when it is first needed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        config: Config,
        addresses: Addresses,
        topic: str,
    ) -> None:
        self._loop = loop
        self._config = config
        self._base = client_settings(config, addresses)
        self._topic = topic
        self._pumps: dict[bool, Pump] = {}
        self.main = self.get("all" if config.ingest.ack != "leader" else "leader")

    def get(self, ack: Ack) -> Pump:
        """The pump of a level; "enqueued" shares that of "all" and does not wait for it."""
        leader = ack == "leader"
        pump = self._pumps.get(leader)
        if pump is None:
            settings = producer_settings(self._base, self._config, leader=leader)
            pump = Pump(self._loop, settings, self._topic, self._config.ingest.ack_timeout)
            self._pumps[leader] = pump
        return pump

    def __iter__(self) -> Any:
        return iter(tuple(self._pumps.values()))

    async def close(self, timeout: float) -> int:
        """Close every pump; how many records were not acknowledged."""
        return sum(await asyncio.gather(*(pump.close(timeout) for pump in self)))


def producer_settings(base: Mapping[str, Any], config: Config, *, leader: bool) -> dict[str, Any]:
    """librdkafka settings of an ingest producer."""
    ingest = config.ingest
    settings: dict[str, Any] = {
        **base,
        # The queue is bounded in bytes; the count is only there to be out of the way.
        "queue.buffering.max.kbytes": max(1024, ingest.queue_limit // 1024),
        "queue.buffering.max.messages": 1_000_000,
        "message.max.bytes": max(1_000_000, ingest.max_event + 65_536),
        "message.timeout.ms": int(max(_GIVE_UP, 2 * ingest.ack_timeout) * 1000),
        "linger.ms": 1,
        "socket.nagle.disable": True,
    }
    if leader:
        settings |= {"acks": 1, "enable.idempotence": False}
    return settings
