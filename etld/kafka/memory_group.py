"""Consumer groups of the cluster in memory: static members, cooperative assignment, one fence an instance."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from etld.kafka.errors import ConsumerBroken, InstanceFenced, KafkaProblem
from etld.kafka.ports import Polled
from etld.kafka.records import by_partition

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from etld.kafka.ports import Membership, OnAssign, OnRevoke
    from etld.kafka.records import Message
    from etld.kafka.types import Offset, Partition, Watermarks


class _Cluster(Protocol):
    """What a consumer asks of its cluster."""

    away: str | None
    news: threading.Condition

    def partitions(self, topics: Iterable[str]) -> list[Partition]:
        """All partitions of topics."""

    def marks(self, partition: Partition) -> Watermarks:
        """The ends of a partition."""

    def read(self, partition: Partition, start: Offset, most: int) -> Sequence[Message]:
        """Records from an offset on."""


class MemoryGroup:
    """Who is a member, by instance, and who reads what. `committed` is what members told for lag tools."""

    def __init__(self) -> None:
        self.members: dict[str, MemoryConsumer] = {}
        self.committed: dict[Partition, Offset] = {}

    def share(self, instance: str, partitions: Sequence[Partition]) -> set[Partition]:
        """The partitions that a member is to read: dealt out in the order of names."""
        names = sorted(self.members)
        return {one for i, one in enumerate(sorted(partitions)) if names[i % len(names)] == instance}

    def taken(self, partition: Partition, but: MemoryConsumer) -> bool:
        """Does another member still hold a partition?"""
        return any(partition in one.held for one in self.members.values() if one is not but)

    def expel(self, instance: str) -> None:
        """End a member's session, as a broker does that has not heard of it: it has to give all back and rejoin."""
        self.members[instance].lost = True


class MemoryConsumer:
    """See `ports.ConsumerPort`. `fault` is raised by the next poll as what ends this consumer."""

    def __init__(
        self, cluster: _Cluster, group: MemoryGroup, membership: Membership, on_assign: OnAssign, on_revoke: OnRevoke
    ) -> None:
        self._cluster = cluster
        self._group = group
        self._membership = membership
        self._on_assign = on_assign
        self._on_revoke = on_revoke
        self._positions: dict[Partition, Offset] = {}
        self._ended: dict[Partition, Offset] = {}
        self._paused = False
        self._held_back: set[Partition] = set()
        #: Given by the group, whether read or not.
        self.held: set[Partition] = set()
        self.joined = False
        self.lost = False
        #: Given nothing, and told nothing of it: what a client library does that has lost its way.
        self.deaf = False
        self.fault: KafkaProblem | None = None
        self.broker_problem: str | None = None
        # A static member takes the place of a former one: that is fenced when both are alive.
        former = group.members.get(membership.instance)
        if former is not None:
            former.fault = InstanceFenced(membership.instance)
        group.members[membership.instance] = self

    @property
    def assigned(self) -> frozenset[Partition]:
        """See `ports.ConsumerPort`."""
        return frozenset(self._positions)

    def poll(self, max_records: int, max_bytes: int, linger: float, timeout: float) -> Polled:
        """See `ports.ConsumerPort`; what is there is given at once."""
        del linger
        until = time.monotonic() + timeout
        with self._cluster.news:
            while True:
                self._check()
                polled = self._take(max_records, max_bytes)
                left = until - time.monotonic()
                if polled.records or polled.ends or left <= 0:
                    return polled
                # In steps: another member may have given something back, or the cluster be there again.
                self._cluster.news.wait(min(left, 0.01))

    def pause(self) -> None:
        """See `ports.ConsumerPort`."""
        self._paused = True

    def resume(self, positions: Mapping[Partition, Offset]) -> None:
        """See `ports.ConsumerPort`."""
        if self._paused:
            self._paused = False
            self._go_on(self._positions.keys() - self._held_back, positions)

    def hold(self, partitions: Collection[Partition], positions: Mapping[Partition, Offset]) -> None:
        """See `ports.ConsumerPort`."""
        before, self._held_back = self._held_back, self._positions.keys() & set(partitions)
        if not self._paused:
            self._go_on(before - self._held_back, positions)

    def _go_on(self, partitions: Iterable[Partition], positions: Mapping[Partition, Offset]) -> None:
        there = self._positions.keys() & positions.keys()
        self._positions.update({one: positions[one] for one in partitions if one in there})

    def commit(self, offsets: Mapping[Partition, Offset]) -> None:
        """See `ports.ConsumerPort`."""
        self._group.committed.update({one: offset for one, offset in offsets.items() if one in self._positions})

    def high(self, partition: Partition) -> Offset | None:
        """See `ports.ConsumerPort`."""
        return self._cluster.marks(partition).high if partition in self._ended else None

    def leave(self, timeout: float) -> None:
        """See `ports.ConsumerPort`: `close` does."""

    def close(self, timeout: float) -> None:
        """See `ports.ConsumerPort`: without waiting for the session's end."""
        del timeout
        with self._cluster.news:
            if self._group.members.get(self._membership.instance) is self:
                del self._group.members[self._membership.instance]
            self.held.clear()
            self._positions.clear()

    def _check(self) -> None:
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        if self._cluster.away is not None:
            self.broker_problem = self._cluster.away
            return
        try:
            self._rebalance()
        except InstanceFenced:
            raise
        except Exception as error:  # whatever a callback raises ends the consumer
            raise ConsumerBroken(str(error) or type(error).__name__) from error

    def _rebalance(self) -> None:
        there = self._cluster.partitions(self._membership.topics)
        wanted = self._group.share(self._membership.instance, there)
        gone = sorted(self.held if self.lost else self.held - wanted)
        self.lost = False
        if gone:
            self.held.difference_update(gone)
            self._held_back.difference_update(gone)
            for partition in gone:
                self._positions.pop(partition, None)
                self._ended.pop(partition, None)
            self._on_revoke(gone)
        new = sorted(one for one in wanted - self.held if not self._group.taken(one, self))
        if new:
            self.held.update(new)
            self._positions.update(self._on_assign(new, {one: self._cluster.marks(one) for one in new}))
        self.joined = True

    def _take(self, max_records: int, max_bytes: int) -> Polled:
        found: list[Message] = []
        ends: dict[Partition, Offset] = {}
        if self._paused or self._cluster.away is not None or self.deaf:
            return Polled({}, {})
        self.broker_problem = None
        size = 0
        for partition, start in sorted(self._positions.items()):
            if partition in self._held_back:
                continue
            low, high = self._cluster.marks(partition)
            if not low <= start <= high:
                raise ConsumerBroken(f"{partition}: there is no offset {start}")
            for message in self._cluster.read(partition, start, max_records - len(found)):
                if size >= max_bytes:
                    break
                found.append(message)
                size += len(message.value() or b"")
                self._positions[partition] = message.offset() + 1
            at_end = not self._cluster.read(partition, self._positions[partition], 1)
            if at_end and self._ended.get(partition) != high:
                ends[partition] = self._ended[partition] = high
                self._positions[partition] = high
        return Polled(by_partition(found), ends)
