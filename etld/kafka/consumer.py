"""A static member of a consumer group whose positions live elsewhere.

Classic protocol with cooperative-sticky assignment and `group.instance.id`: of the three ways that
Kafka 4 offers, the one whose member is back within half a second after a crash. Offsets in Kafka are
committed for lag tools only; where to start is asked of `on_assign`.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, KafkaException, TopicPartition

from etld.kafka.errors import ConsumerBroken, InstanceFenced, KafkaProblem
from etld.kafka.ports import Polled
from etld.kafka.records import by_partition
from etld.kafka.types import Offset, Partition, Watermarks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from etld.kafka.ports import Membership, OnAssign, OnRevoke

log = logging.getLogger("etld.kafka")

# Where to start is never Kafka's to say, and ends of partitions are told.
_READING: Mapping[str, Any] = {
    "partition.assignment.strategy": "cooperative-sticky",
    # A member hears of a rebalance with its heartbeat, and until all have, nobody reads.
    "heartbeat.interval.ms": 300,
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "topic.metadata.refresh.interval.ms": 10_000,
    "metadata.max.age.ms": 30_000,
    # What is fetched in advance is the worker's memory; this much keeps a core busy.
    "queued.max.messages.kbytes": 4_096,
    "queued.min.messages": 10_000,
    "fetch.max.bytes": 2_097_152,
    "max.partition.fetch.bytes": 1_048_576,
    "fetch.error.backoff.ms": 100,
    # By default a full queue stops fetching for a whole second: a backlog is read 20 times slower.
    "fetch.queue.backoff.ms": 2,
}
_CHUNK = 1000
_LEAVE_POLL = 0.05
# The session stands still while it asks where partitions begin and end: if longer, nobody would hear in time of it.
_ASSIGN_WITHIN = 3.0
_TRANSIENT = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TRANSPORT,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
    }
)


class GroupConsumer:
    """Joins a group and hands out records, in the thread that calls `poll`; see `ports.ConsumerPort`."""

    def __init__(
        self, settings: Mapping[str, Any], membership: Membership, on_assign: OnAssign, on_revoke: OnRevoke
    ) -> None:
        self._instance = membership.instance
        self._on_assign = on_assign
        self._on_revoke = on_revoke
        self._failure: BaseException | None = None
        self._assigned: set[Partition] = set()
        self._rebalanced = False
        self._paused = False
        self._held: set[Partition] = set()
        self.broker_problem: str | None = None
        self._consumer = confluent_kafka.Consumer(
            {**_READING, **settings, **_membership(membership), "error_cb": self._on_error}, logger=log
        )
        self._consumer.subscribe(
            list(membership.topics), on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lost
        )

    @property
    def joined(self) -> bool:
        """Has the group given this member its partitions, be they none?"""
        return self._rebalanced

    @property
    def assigned(self) -> frozenset[Partition]:
        """The partitions that are read now."""
        return frozenset(self._assigned)

    def poll(self, max_records: int, max_bytes: int, linger: float, timeout: float) -> Polled:
        """Wait up to `timeout` seconds for a first message, then up to `linger` for more.

        Raises `ConsumerBroken` when this consumer has to be thrown away, `InstanceFenced` when another
        process took its static id.
        """
        messages: list[Any] = []
        ends: dict[Partition, Offset] = {}
        size = 0
        first = self._call(self._consumer.poll, timeout)
        if first is None:
            return Polled(by_partition(messages), ends)
        size += self._sort([first], messages, ends)
        deadline = time.monotonic() + linger
        while len(messages) < max_records and size < max_bytes:
            left = max(0.0, deadline - time.monotonic())
            # No more than fits if the next are as large as those before: a thousand large ones at once are a lot.
            fits = (max_bytes - size) * len(messages) // size + 1 if size else 1
            wanted = min(_CHUNK, max_records - len(messages), fits)
            more = self._call(self._consumer.consume, wanted, left)
            size += self._sort(more, messages, ends)
            if len(more) < wanted and time.monotonic() >= deadline:
                break
        return Polled(by_partition(messages), ends)

    def pause(self) -> None:
        """Fetch nothing more; `poll` goes on keeping the membership alive."""
        if not self._paused:
            self._paused = True
            self._call(self._consumer.pause, [TopicPartition(*key) for key in self._assigned])

    def resume(self, positions: Mapping[Partition, Offset]) -> None:
        """Fetch again, from `positions` where they are given (a pause throws prefetched messages away)."""
        if self._paused:
            self._paused = False
            self._go_on(self._assigned - self._held, positions)

    def hold(self, partitions: Collection[Partition], positions: Mapping[Partition, Offset]) -> None:
        """Fetch nothing more of these until a later call leaves them out; then they go on from `positions`."""
        wanted = self._assigned & set(partitions)
        before, self._held = self._held, wanted
        if not self._paused and wanted != before:
            if wanted - before:
                self._call(self._consumer.pause, [TopicPartition(*key) for key in wanted - before])
            self._go_on(before - wanted, positions)

    def _go_on(self, partitions: set[Partition], positions: Mapping[Partition, Offset]) -> None:
        for key in partitions & positions.keys():
            self._call(self._consumer.seek, TopicPartition(*key, positions[key]))
        self._call(self._consumer.resume, [TopicPartition(*key) for key in partitions])

    def commit(self, offsets: Mapping[Partition, Offset]) -> None:
        """Tell Kafka how far it is, for lag tools; failures are of no consequence and ignored."""
        wanted = [TopicPartition(*key, offset) for key, offset in offsets.items() if key in self._assigned]
        if wanted:
            try:
                self._consumer.commit(offsets=wanted, asynchronous=True)
            except KafkaException as error:
                log.debug("offset commit for lag tools failed: %s", error)

    def high(self, partition: Partition) -> Offset | None:
        """The high watermark seen by the last fetch, or None before the first."""
        try:
            _low, high = self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
        except KafkaException:
            return None
        return high if high >= 0 else None

    def close(self, timeout: float) -> None:
        """Leave, within `timeout` seconds; a close that hangs is left behind in its thread."""
        closer = threading.Thread(target=self._close, daemon=True, name="kafka-close")
        closer.start()
        closer.join(timeout)

    def leave(self, timeout: float) -> None:
        """Give up the membership before `close`, within `timeout` seconds: others have the partitions at once.

        A static member says nothing when it closes (KIP-345), and a LeaveGroup when it subscribes to nothing any more.
        """
        until = time.monotonic() + timeout
        try:
            self._consumer.unsubscribe()
            while self._assigned and time.monotonic() < until:
                self._consumer.poll(_LEAVE_POLL)
            self._consumer.poll(_LEAVE_POLL)
        except (KafkaException, RuntimeError) as error:
            log.debug("leaving the group: %s", error)

    def _close(self) -> None:
        try:
            self._consumer.close()
        except (KafkaException, RuntimeError) as error:
            log.debug("closing the consumer: %s", error)

    def _call(self, call: Callable[..., Any], *args: Any) -> Any:
        try:
            result = call(*args)
        except KafkaException as error:
            raise self._broken(error.args[0]) from error
        if self._failure is not None:
            failure, self._failure = self._failure, None
            if isinstance(failure, InstanceFenced):
                raise failure
            raise ConsumerBroken(str(failure) or type(failure).__name__) from failure
        return result

    def _sort(self, got: list[Any], messages: list[Any], ends: dict[Partition, Offset]) -> int:
        if any(map(confluent_kafka.Message.error, got)):
            got = self._good(got, ends)
        messages += got
        if messages or ends:
            self.broker_problem = None
        return sum(map(len, got))

    def _good(self, got: list[Any], ends: dict[Partition, Offset]) -> list[Any]:
        good = []
        for message in got:
            error = message.error()
            if error is None:
                good.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ends[Partition(message.topic(), message.partition())] = message.offset() or 0
            elif error.code() in _TRANSIENT:
                self.broker_problem = error.str()
            else:
                raise self._broken(error)
        return good

    def _broken(self, error: Any) -> KafkaProblem:
        if isinstance(error, KafkaError) and _is_fenced(error):
            return InstanceFenced(self._instance)
        return ConsumerBroken(error.str() if isinstance(error, KafkaError) else str(error))

    def _on_error(self, error: KafkaError) -> None:
        if _is_fenced(error):
            self._failure = InstanceFenced(self._instance)
        elif error.fatal():
            self._failure = ConsumerBroken(error.str())
        elif error.code() in _TRANSIENT:
            self.broker_problem = error.str()

    def _assign(self, consumer: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        # Never raises: the binding would go on with the offsets of Kafka, and poll() drop a record.
        starts: list[TopicPartition] = []
        try:
            self._rebalanced = True
            if partitions:
                marks = _watermarks(consumer, _own(partitions))
                answer = self._on_assign(list(marks), marks)
                starts = [TopicPartition(*partition, offset) for partition, offset in answer.items()]
        except BaseException as error:  # see above: whatever it is, it comes out of poll()
            self._failure = error
            if isinstance(error, KafkaException):
                self.broker_problem = error.args[0].str()
        try:
            consumer.incremental_assign(starts)
            self._assigned.update(_own(starts))
            if self._paused and starts:
                consumer.pause(starts)
        except KafkaException as error:
            self._failure = error

    def _revoke(self, consumer: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions)
        try:
            consumer.incremental_unassign(partitions)
        except KafkaException as error:
            self._failure = error

    def _lost(self, consumer: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        log.warning("lost %d partitions: the group went on without this member", len(partitions))
        self._revoke(consumer, partitions)

    def _forget(self, partitions: Iterable[TopicPartition]) -> None:
        gone = _own(partitions)
        self._assigned.difference_update(gone)
        self._held.difference_update(gone)
        try:
            self._on_revoke(gone)
        except Exception as error:  # a callback must not raise: see _assign
            self._failure = error


def _watermarks(consumer: confluent_kafka.Consumer, partitions: list[Partition]) -> dict[Partition, Watermarks]:
    """Where the logs begin and end, by two questions for all: each waits for the fetch that is under way.

    The times -2 and -1 stand for the two in ListOffsets: https://kafka.apache.org/protocol. Raises KafkaException.
    """
    deadline = time.monotonic() + _ASSIGN_WITHIN
    while True:
        left = max(0.1, deadline - time.monotonic())
        try:
            low, high = (_listed(consumer, partitions, edge, left) for edge in (OFFSET_BEGINNING, OFFSET_END))
        except KafkaException as error:
            # A topic that was just made, or a broker that just started, has no leader yet.
            if time.monotonic() >= deadline or error.args[0].code() not in _TRANSIENT:
                raise
            time.sleep(0.05)
        else:
            return {one: Watermarks(low[one], high[one]) for one in partitions}


def _listed(
    consumer: confluent_kafka.Consumer, partitions: list[Partition], edge: int, timeout: float
) -> dict[Partition, Offset]:
    told = consumer.offsets_for_times([TopicPartition(*one, edge) for one in partitions], timeout=timeout)
    for one in told:
        if one.error is not None:
            raise KafkaException(one.error)
    return {Partition(one.topic, one.partition): one.offset for one in told}


def _membership(membership: Membership) -> dict[str, Any]:
    return {
        "group.id": membership.group,
        "group.instance.id": membership.instance,
        "session.timeout.ms": int(membership.session_timeout * 1000),
        "max.poll.interval.ms": int(membership.max_poll_interval * 1000),
    }


def _is_fenced(error: KafkaError) -> bool:
    """Is it the end of a static id? librdkafka wraps the broker's code in a fatal error, and keeps its text."""
    if error.code() in (KafkaError.FENCED_INSTANCE_ID, KafkaError._FENCED):
        return True
    return (error.fatal() or error.code() == KafkaError._FATAL) and "group.instance.id" in error.str()


def _own(partitions: Iterable[TopicPartition]) -> list[Partition]:
    return [Partition(one.topic, one.partition) for one in partitions]
