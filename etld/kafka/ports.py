"""What etld asks of a Kafka cluster. Two implement it: `cluster`, and `memory` for tests without a broker.

tests/contract/kafka holds both to the same behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from etld.kafka.types import GroupMember, Offset, Partition, Topic, Watermarks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from etld.kafka.receipt import OnDelivery
    from etld.kafka.records import Records

    #: Where each partition starts; one that is left out is not read.
    OnAssign = Callable[[Sequence[Partition], Mapping[Partition, Watermarks]], Mapping[Partition, Offset]]
    OnRevoke = Callable[[Sequence[Partition]], None]


@dataclass(frozen=True, slots=True)
class Membership:
    """A static member `instance` of the consumer group `group`; times in seconds."""

    group: str
    instance: str
    topics: Sequence[str]
    session_timeout: float = 6.0
    max_poll_interval: float = 300.0


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll brought, by partition: records, and ends that were reached.

    An end is the offset after the last one that the partition holds: those between it and the last record
    hold none (markers of transactions).
    """

    records: dict[Partition, Records]
    ends: dict[Partition, Offset]


class ConsumerPort(Protocol):
    """A member of a consumer group whose positions live elsewhere; all is called in one thread.

    `on_assign(partitions, watermarks)` answers where each starts, `on_revoke(partitions)` is told what is gone,
    both inside `poll`. What they raise comes out of `poll` as `ConsumerBroken`, with it as its cause.
    """

    #: Why the broker is out of reach at the moment, or None: what the client library tells, until somebody sees better.
    broker_problem: str | None

    @property
    def joined(self) -> bool:
        """Has the group given this member its partitions, be they none?"""

    @property
    def assigned(self) -> frozenset[Partition]:
        """The partitions that are read now."""

    def poll(self, max_records: int, max_bytes: int, linger: float, timeout: float) -> Polled:
        """Wait up to `timeout` seconds for a first record, then up to `linger` for more.

        Raises `ConsumerBroken` when this consumer has to be thrown away, `InstanceFenced` when another
        process took its static id.
        """

    def pause(self) -> None:
        """Fetch nothing more; `poll` goes on keeping the membership alive."""

    def resume(self, positions: Mapping[Partition, Offset]) -> None:
        """Fetch again, from `positions` where they are given (a pause throws away what was fetched in advance)."""

    def hold(self, partitions: Collection[Partition], positions: Mapping[Partition, Offset]) -> None:
        """Fetch nothing more of these until a later call leaves them out; then they go on from `positions`."""

    def commit(self, offsets: Mapping[Partition, Offset]) -> None:
        """Tell Kafka how far it is, for lag tools; failures are of no consequence and ignored."""

    def high(self, partition: Partition) -> Offset | None:
        """The high watermark seen by the last fetch, or None before the first."""

    def leave(self, timeout: float) -> None:
        """Give up the membership before `close`, within `timeout` seconds: others have the partitions at once."""

    def close(self, timeout: float) -> None:
        """End, within `timeout` seconds. A static member keeps its partitions until its session ends."""


class AdminPort(Protocol):
    """Asks and changes the cluster. Every call raises `KafkaProblem` when the cluster does not answer."""

    def cluster_id(self) -> str:
        """The id that the cluster was formatted with."""

    def topics(self, names: Iterable[str], timeout: float | None = None) -> dict[str, Topic]:
        """The topics of `names` that exist, by name; asked for up to twice `timeout` seconds."""

    def create_topic(self, name: str, partitions: int, replicas: int, config: Mapping[str, str]) -> bool:
        """Create a topic; False when it was there already."""

    def watermarks(self, topic: str, numbers: Iterable[int]) -> dict[int, Watermarks]:
        """The ends of partitions of a topic, by their numbers."""

    def ends(self, partitions: Iterable[Partition], timeout: float) -> dict[Partition, Offset]:
        """Up to where partitions can be read now; asked for up to `timeout` seconds, also when there are none.

        One that a broker will not tell of is left out.
        """

    def committed(self, group: str, partitions: Sequence[Partition]) -> dict[Partition, Offset]:
        """What members of a consumer group told for lag tools; a partition of which none told is left out."""

    def members(self, groups: Sequence[str]) -> list[GroupMember]:
        """Who is in consumer groups; one that there is not, or that this user may not see, has no members."""


class ProducerPort(Protocol):
    """Sends records; what became of each is told inside `poll` or `flush`."""

    def produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] | None = None,
        on_delivery: OnDelivery | None = None,
    ) -> None:
        """Queue one record.

        Raises `QueueFull` when the queue has no room, `KafkaProblem` for what never goes (`TooLarge`: for its size).
        """

    def poll(self, timeout: float = 0) -> int:
        """Tell of deliveries for up to `timeout` seconds; how many."""

    def flush(self, timeout: float) -> int:
        """Wait up to `timeout` seconds for all that is queued; how many records still wait."""


class ClusterPort(Protocol):
    """A cluster: the way to its clients."""

    def admin(self) -> AdminPort:
        """A client that asks."""

    def consumer(self, membership: Membership, on_assign: OnAssign, on_revoke: OnRevoke) -> ConsumerPort:
        """A client that reads. It joins with its first polls."""

    def producer(self) -> ProducerPort:
        """A client that writes."""
