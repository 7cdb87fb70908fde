"""From the event loop to Kafka and back: one producer, one poll thread, one wake-up for all that it brought.

Waiters are answered on the loop, in batches: a call into the loop for each record would cost more than the
rest of the way together.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from etld.ingest.broker_contact import PROBE_TIMEOUT, BrokerContact
from etld.kafka.errors import KafkaProblem, QueueFull
from etld.kafka.producer import Producer
from etld.kafka.receipt import Oversized, Receipt

log = logging.getLogger("etld.ingest")

_POLL = 0.5
#: Ticks come this far apart: give up a tick early rather than late.
_SLACK = 0.1


class KafkaUnavailable(Exception):
    """Kafka takes nothing now; the message says why."""


class PendingRequest(Receipt):
    """One request that waits for `expected` records."""

    __slots__ = ("finished", "producer", "started")

    def __init__(self, producer: ProducerThread, expected: int, started: float) -> None:
        super().__init__(producer.client, expected)
        self.producer = producer
        self.finished = False
        self.started = started

    def complete(self) -> None:
        """On the poll thread: to be finished on the loop."""
        self.producer.done.append(self)

    def finish(self, late: bool) -> None:
        """Answer; on the loop, once. `late`: not all records were acknowledged in time."""
        raise NotImplementedError


class _Unawaited(Receipt):
    """Records that nobody waits for."""

    __slots__ = ("_resend",)

    def __init__(self, sender: Producer, resend: Callable[[list[Oversized]], None]) -> None:
        super().__init__(sender, 0)
        self._resend = resend

    def complete(self) -> None:
        """After each: say what Kafka did not take."""
        oversized, self.oversized = self.oversized, None
        if oversized:
            self._resend(oversized)
        failed, self.failed = self.failed, None
        for _, reason in failed or ():
            log.warning("Kafka did not take an event that was only enqueued: %s", reason)


class ProducerThread:
    """Sends records with one durability level, and finishes pending requests when theirs are acknowledged."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: Mapping[str, Any],
        topics: Sequence[str],
        ack_timeout: float,
        away: str = "",
        alone: Callable[[], ProducerThread] | None = None,
    ) -> None:
        """`alone` gives the one that sends each record in a batch of its own; None for that one itself."""
        self.ack_timeout = ack_timeout
        self._loop = loop
        self.client = Producer(settings)
        self._alone = alone
        self._unawaited = _Unawaited(self.client, self._resend_unawaited)
        self._probe_topic = topics[0]
        self._news = tuple(topics[1:])
        self._waiting: dict[PendingRequest, None] = {}
        self.done: list[PendingRequest] = []
        self.contact = BrokerContact(time.monotonic(), ack_timeout, away)
        self._probing: asyncio.Future[str] | None = None
        self._asked = 0.0
        self._threads = ThreadPoolExecutor(1, "etld-probe")
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="etld-deliveries", daemon=True)
        self._thread.start()
        self.tick(time.monotonic())

    # On the loop

    def send(
        self,
        topic: str,
        key: str,
        value: bytes,
        headers: Sequence[tuple[str, bytes]] | None,
        pending: PendingRequest | None,
    ) -> None:
        """Queue one record for `pending`; raises `KafkaUnavailable`."""
        try:
            self.client.produce(
                topic,
                key.encode(),
                value,
                headers,
                (pending or self._unawaited).delivered,
            )
        except QueueFull:
            raise KafkaUnavailable("Kafka takes events slower than they come: the queue is full") from None
        except KafkaProblem as error:
            raise KafkaUnavailable(f"Kafka does not take it: {error}") from None

    def wait(self, pending: PendingRequest) -> None:
        """Finish `pending` once its records are acknowledged, or when that takes too long.

        The poll thread may have counted the last record before `expected` was final: that is found here.
        """
        if pending.acks >= pending.expected:
            pending.finished = True
            pending.finish(False)
        else:
            self._waiting[pending] = None

    def send_alone(self, records: Sequence[Oversized], pending: PendingRequest | None) -> None:
        """Send what was refused for the size of its batch again, each by itself; raises `KafkaUnavailable`."""
        assert self._alone is not None
        alone = self._alone()
        if pending is not None:
            pending.sender, pending.producer = alone.client, alone
        for record in records:
            alone.send(record.topic, record.key.decode(), record.value, record.headers, pending)
        if pending is not None:
            alone.wait(pending)

    def _resend_unawaited(self, records: list[Oversized]) -> None:
        """On the poll thread: nobody waits for these any more."""
        if self._alone is None:
            topics = ", ".join(sorted({record.topic for record in records}))
            log.warning("Kafka does not take an event that was only enqueued: it is larger than topic %s takes", topics)
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._send_again, records)

    def _send_again(self, records: list[Oversized]) -> None:
        try:
            self.send_alone(records, None)
        except KafkaUnavailable as error:
            log.warning("Kafka did not take an event that was only enqueued: %s", error)

    @property
    def away(self) -> str:
        """Why nothing can be sent now; "" while something can."""
        return self.contact.away

    @property
    def broken(self) -> str:
        """Why this producer can never send again; "" as long as it can."""
        return self.client.broken

    @property
    def in_flight(self) -> int:
        """Records that Kafka has not acknowledged."""
        return len(self.client)

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    def tick(self, now: float) -> None:
        """Notice silence and give up on what waited too long; `now` is of the monotonic clock."""
        contact = self.contact
        if self.client.heard:
            self.client.heard = False
            contact.delivered(now)
        else:
            contact.tick(now, self.in_flight)
        probing = self._probing
        if probing is not None and probing.done():
            self._probing = None
            contact.told(self._asked, now, probing.result())
        if self._probing is None and (self._news or contact.due(now)):
            self._asked = now
            news, self._news = self._news, ()
            self._probing = self._loop.run_in_executor(self._threads, self._ask, news)
        # What waits while Kafka is known to be away would only learn later what a new request learns at once.
        # Its records may still be written, under the ids that the answers name.
        oldest = now - self.ack_timeout + _SLACK
        while self._waiting:
            pending = next(iter(self._waiting))
            if pending.started > oldest and not contact.away:
                break
            self._finish(pending, True)

    def expect(self, topics: Sequence[str]) -> None:
        """Records for these topics will come: learn their leaders now, so that the first need not wait."""
        self._news = tuple(topics)

    def _ask(self, news: Sequence[str]) -> str:
        """On a thread: "" when the cluster answers, or what is wrong."""
        try:
            self.client.probe(self._probe_topic, PROBE_TIMEOUT)
        except Exception as error:  # whatever is wrong, it is the answer
            return f"Kafka does not answer: {error}"
        for topic in news:
            with contextlib.suppress(KafkaProblem):  # a topic that is not well is told by its own records
                self.client.probe(topic, PROBE_TIMEOUT)
        return ""

    def _wake(self, done: list[PendingRequest]) -> None:
        for pending in done:
            self._finish(pending, False)
        if self.contact.away:
            self.tick(time.monotonic())

    def _finish(self, pending: PendingRequest, late: bool) -> None:
        self._waiting.pop(pending, None)
        if pending.finished:
            return
        pending.finished = True
        try:
            pending.finish(late)
        except Exception:
            log.exception("an answer could not be sent")

    async def close(self, seconds: float) -> int:
        """Flush and end the thread; how many records are still unacknowledged after so many seconds."""
        until = time.monotonic() + seconds
        while self.in_flight and time.monotonic() < until:  # noqa: ASYNC110  # told on another thread, each by itself
            await asyncio.sleep(0.01)
        left = self.in_flight
        self._closing = True
        await self._loop.run_in_executor(self._threads, self._thread.join, 2 * _POLL)
        self._threads.shutdown(wait=False)
        return left

    # On the poll thread

    def _run(self) -> None:
        poll, loop = self.client.poll, self._loop
        while not self._closing:
            poll(_POLL)
            if self.done:
                done, self.done = self.done, []
                try:
                    loop.call_soon_threadsafe(self._wake, done)
                except RuntimeError:  # the loop is closed: nobody waits any more
                    return
