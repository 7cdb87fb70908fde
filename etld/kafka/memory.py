"""A cluster in memory, for tests of what reads and writes without a broker. It does what `ports` says.

Faults are scripted on `MemoryCluster`: see its attributes. What one thread appends, another that polls gets at once.
"""

from __future__ import annotations

import threading
import time
import uuid
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError

from etld.kafka.errors import KafkaProblem
from etld.kafka.memory_group import MemoryConsumer, MemoryGroup
from etld.kafka.types import GroupMember, Offset, Partition, Topic, Watermarks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from etld.kafka.ports import Membership, OnAssign, OnRevoke
    from etld.kafka.receipt import OnDelivery


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A record in a log, with the methods of the client's messages."""

    where: Partition
    at: Offset
    its_key: bytes | None
    its_value: bytes | None
    its_headers: tuple[tuple[str, bytes], ...]
    milliseconds: int

    def topic(self) -> str:
        """See `records.Message`."""
        return self.where.topic

    def partition(self) -> int:
        """See `records.Message`."""
        return self.where.number

    def offset(self) -> Offset:
        """See `records.Message`."""
        return self.at

    def key(self) -> bytes | None:
        """See `records.Message`."""
        return self.its_key

    def value(self) -> bytes | None:
        """See `records.Message`."""
        return self.its_value

    def headers(self) -> list[tuple[str, bytes]] | None:
        """See `records.Message`."""
        return list(self.its_headers) or None

    def set_headers(self, headers: list[tuple[str, bytes]]) -> None:
        """See `records.Message`."""
        raise NotImplementedError

    def timestamp(self) -> tuple[int, int]:
        """See `records.Message`; 1: made by the producer."""
        return (1, self.milliseconds)


@dataclass
class _TopicLog:
    topic_id: str
    config: dict[str, str]
    logs: list[list[StoredMessage]]
    marks: list[Watermarks] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.marks = [Watermarks(0, 0) for _ in self.logs]


class MemoryCluster:
    """Topics with their ids and logs, and consumer groups.

    `away` is why the cluster does not answer (None: it does): clients that ask get `KafkaProblem`, consumers have it
    as `broker_problem` and get nothing.
    """

    def __init__(self, cluster_id: str = "memory") -> None:
        self.id = cluster_id
        self.away: str | None = None
        self.news = threading.Condition(threading.RLock())
        self._topics: dict[str, _TopicLog] = {}
        self._groups: dict[str, MemoryGroup] = {}

    def admin(self) -> MemoryAdmin:
        """See `ports.ClusterPort`."""
        return MemoryAdmin(self)

    def consumer(self, membership: Membership, on_assign: OnAssign, on_revoke: OnRevoke) -> MemoryConsumer:
        """See `ports.ClusterPort`."""
        with self.news:
            group = self._groups.setdefault(membership.group, MemoryGroup())
            return MemoryConsumer(self, group, membership, on_assign, on_revoke)

    def producer(self) -> MemoryProducer:
        """See `ports.ClusterPort`."""
        return MemoryProducer(self)

    def group(self, name: str) -> MemoryGroup:
        """A consumer group, to look at and to break."""
        return self._groups[name]

    def members(self, name: str) -> list[str]:
        """The static ids of a group's members."""
        with self.news:
            group = self._groups.get(name)
            return [] if group is None else list(group.members)

    # What a test does to topics

    def create(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        """Create a topic, or make it anew: with a new id, and empty."""
        with self.news:
            self._topics[name] = _TopicLog(uuid.uuid4().hex, dict(config or {}), [[] for _ in range(partitions)])
            self.news.notify_all()

    def append(
        self,
        partition: Partition,
        value: bytes | None,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> Offset:
        """Write a record; its offset."""
        with self.news:
            topic = self._topics[partition.topic]
            low, at = topic.marks[partition.number]
            made = StoredMessage(partition, at, key, value, tuple(headers), int(time.time() * 1000))
            topic.logs[partition.number].append(made)
            topic.marks[partition.number] = Watermarks(low, at + 1)
            self.news.notify_all()
            return at

    def append_marker(self, partition: Partition) -> None:
        """Use up an offset that holds no record, as a transaction's marker does."""
        with self.news:
            marks = self._topics[partition.topic].marks
            low, high = marks[partition.number]
            marks[partition.number] = Watermarks(low, high + 1)
            self.news.notify_all()

    def delete_records(self, partition: Partition, before: Offset) -> None:
        """Delete what lies before an offset, as retention does."""
        with self.news:
            topic = self._topics[partition.topic]
            topic.marks[partition.number] = Watermarks(before, topic.marks[partition.number].high)
            topic.logs[partition.number] = [one for one in topic.logs[partition.number] if one.at >= before]

    # What clients ask

    def described(self, name: str) -> Topic | None:
        """A topic, or None."""
        found = self._topics.get(name)
        return None if found is None else Topic(name, found.topic_id, len(found.logs), 1)

    def config_of(self, name: str) -> dict[str, str]:
        """The settings of a topic."""
        return self._topics[name].config

    def partitions(self, topics: Iterable[str]) -> list[Partition]:
        """All partitions of those topics that exist."""
        return [
            Partition(name, number)
            for name in topics
            if name in self._topics
            for number in range(len(self._topics[name].logs))
        ]

    def marks(self, partition: Partition) -> Watermarks:
        """The ends of a partition."""
        return self._topics[partition.topic].marks[partition.number]

    def read(self, partition: Partition, start: Offset, most: int) -> list[StoredMessage]:
        """Up to `most` records from an offset on."""
        topic = self._topics.get(partition.topic)
        if topic is None or partition.number >= len(topic.logs):
            return []
        log = topic.logs[partition.number]
        # Without markers and deleted records an offset is an index.
        first = next((i for i in range(min(start, len(log)), -1, -1) if i == 0 or log[i - 1].at < start), 0)
        return log[first : first + most]


class MemoryAdmin:
    """See `ports.AdminPort`."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster

    def cluster_id(self) -> str:
        """See `ports.AdminPort`."""
        self._check()
        return self._cluster.id

    def topics(self, names: Iterable[str], timeout: float | None = None) -> dict[str, Topic]:
        """See `ports.AdminPort`."""
        del timeout
        self._check()
        return {name: found for name in names if (found := self._cluster.described(name)) is not None}

    def create_topic(self, name: str, partitions: int, replicas: int, config: Mapping[str, str]) -> bool:
        """See `ports.AdminPort`; there is one replica, whatever is asked for."""
        self._check()
        if self._cluster.described(name) is not None or not replicas:
            return False
        self._cluster.create(name, partitions, config)
        return True

    def watermarks(self, topic: str, numbers: Iterable[int]) -> dict[int, Watermarks]:
        """See `ports.AdminPort`."""
        self._check()
        try:
            return {number: self._cluster.marks(Partition(topic, number)) for number in numbers}
        except (KeyError, IndexError) as error:
            raise KafkaProblem(
                f"Kafka does not tell the offsets of topic {topic}: there is no such partition"
            ) from error

    def ends(self, partitions: Iterable[Partition], timeout: float) -> dict[Partition, Offset]:
        """See `ports.AdminPort`."""
        del timeout
        self._check()
        return {one: self._cluster.marks(one).high for one in partitions}

    def committed(self, group: str, partitions: Sequence[Partition]) -> dict[Partition, Offset]:
        """See `ports.AdminPort`."""
        self._check()
        told = self._cluster.group(group).committed
        return {one: told[one] for one in partitions if one in told}

    def members(self, groups: Sequence[str]) -> list[GroupMember]:
        """See `ports.AdminPort`."""
        self._check()
        return [
            GroupMember(name, instance, "", "memory") for name in groups for instance in self._cluster.members(name)
        ]

    def _check(self) -> None:
        if self._cluster.away is not None:
            raise KafkaProblem(f"Kafka does not answer: {self._cluster.away}", code="ETLD-K001")


class MemoryProducer:
    """See `ports.ProducerPort`: records are written by `poll` and `flush`."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster
        self._queue: list[tuple[StoredMessage, OnDelivery | None]] = []
        self.heard = False
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
        made = StoredMessage(Partition(topic, -1), -1, key, value, tuple(headers or ()), 0)
        self._queue.append((made, on_delivery))

    def poll(self, timeout: float = 0) -> int:
        """See `ports.ProducerPort`."""
        if self._cluster.away is not None:
            time.sleep(timeout)
            return 0
        queued, self._queue = self._queue, []
        for message, on_delivery in queued:
            error, written = self._write(message)
            if on_delivery is not None:
                on_delivery(error, written)
        return len(queued)

    def flush(self, timeout: float) -> int:
        """See `ports.ProducerPort`."""
        self.poll(timeout)
        return len(self._queue)

    def __len__(self) -> int:
        return len(self._queue)

    def _write(self, message: StoredMessage) -> tuple[KafkaError | None, StoredMessage]:
        topic = self._cluster.described(message.where.topic)
        if topic is None:
            return KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), message
        most = int(self._cluster.config_of(topic.name).get("max.message.bytes", 1 << 20))
        if len(message.its_key or b"") + len(message.its_value or b"") > most:
            return KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), message
        where = Partition(topic.name, zlib.crc32(message.its_key or b"") % topic.partitions)
        at = self._cluster.append(where, message.its_value, message.its_key, message.its_headers)
        return None, self._cluster.read(where, at, 1)[0]
