"""What etld relies on, of a real Kafka and of the one in memory: the same answers to the same calls."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from etld.kafka.cluster import KafkaCluster
from etld.kafka.errors import ConsumerBroken, InstanceFenced
from etld.kafka.memory import MemoryCluster
from etld.kafka.ports import ClusterPort, ConsumerPort, Membership
from etld.kafka.receipt import Receipt
from etld.kafka.types import Partition, Record, Watermarks
from support.waiting import wait_until

Starts = Mapping[Partition, int]


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.integration)])
def cluster(request: pytest.FixtureRequest) -> ClusterPort:
    """Each in its turn."""
    if request.param == "memory":
        return MemoryCluster()
    return KafkaCluster({"bootstrap.servers": request.getfixturevalue("kafka")})


@pytest.fixture
def topic(cluster: ClusterPort) -> str:
    """A topic of the test's own, with two partitions."""
    name = f"contract-{uuid.uuid4().hex}"
    assert cluster.admin().create_topic(name, 2, 1, {"max.message.bytes": "100000"})
    wait_until(lambda: name in cluster.admin().topics([name]), 20)
    return name


class Told(Receipt):
    """Notes that all came."""

    __slots__ = ("done",)

    def complete(self) -> None:
        self.done = True


def send(cluster: ClusterPort, topic: str, *values: bytes, key: bytes = b"k") -> Told:
    """Write records under one key, to one partition."""
    producer = cluster.producer()
    told = Told(producer, len(values))  # type: ignore[arg-type]
    for value in values:
        producer.produce(topic, key, value, [("name", b"header")], told.delivered)
    assert producer.flush(20) == 0
    assert told.done
    return told


def from_low(partitions: Sequence[Partition], marks: Mapping[Partition, Watermarks]) -> Starts:
    """Where everything starts that is kept."""
    return {partition: marks[partition].low for partition in partitions}


Join = Callable[..., ConsumerPort]


@pytest.fixture
def join(cluster: ClusterPort, topic: str) -> Iterator[Join]:
    """Joins the topic's group."""
    made: list[ConsumerPort] = []

    def begin(
        instance: str = "one",
        on_assign: Callable[[Sequence[Partition], Mapping[Partition, Watermarks]], Starts] = from_low,
        on_revoke: Callable[[Sequence[Partition]], None] = lambda _: None,
    ) -> ConsumerPort:
        one = cluster.consumer(Membership(f"group-{topic}", instance, [topic]), on_assign, on_revoke)
        made.append(one)
        return one

    yield begin
    for one in made:
        one.close(10)


def read(consumer: ConsumerPort, count: int) -> list[Record]:
    """So many records, within a while."""
    found: list[Record] = []

    def enough() -> bool:
        for records in consumer.poll(100, 1 << 20, 0.05, 0.2).records.values():
            found.extend(records.record(i) for i in range(len(records)))
        return len(found) >= count

    wait_until(enough, 30)
    return found


def poll_in_vain(*consumers: ConsumerPort) -> None:
    """Poll, in turns, until one of them raises; no record may come."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for consumer in consumers:
            assert consumer.poll(100, 1 << 20, 0.05, 0.1).records == {}


def test_a_topic_is_made_once_and_described(cluster: ClusterPort, topic: str) -> None:
    admin = cluster.admin()
    assert not admin.create_topic(topic, 2, 1, {})
    (described,) = admin.topics([topic, "there-is-none"]).values()
    assert (described.name, described.partitions, described.replicas) == (topic, 2, 1)
    assert described.topic_id
    assert admin.cluster_id()


def test_what_is_sent_is_read_whole_and_in_order(cluster: ClusterPort, topic: str, join: Join) -> None:
    before = time.time()
    send(cluster, topic, b"a", b"b", b"c")
    found = read(join(), 3)
    assert [(one.key, one.value, one.headers) for one in found] == [
        (b"k", value, (("name", b"header"),)) for value in (b"a", b"b", b"c")
    ]
    assert [one.offset for one in found] == [0, 1, 2]
    assert len({one.partition for one in found}) == 1
    assert found[0].timestamp is not None
    assert abs(found[0].timestamp.timestamp() - before) < 60


def test_a_poll_takes_no_more_bytes_than_asked(cluster: ClusterPort, topic: str, join: Join) -> None:
    """But for the record that passes the limit: a batch of large ones is not thousands of them."""
    large, most = bytes(50_000), 1 << 20
    send(cluster, topic, *[large] * 150)
    consumer = join()
    taken: list[int] = []

    def all_there() -> bool:
        found = consumer.poll(1000, most, 0.5, 0.2).records.values()
        taken.append(sum(len(value or b"") for records in found for value in records.values))
        return sum(taken) == 150 * len(large)

    wait_until(all_there, 30)
    assert max(taken) < most + len(large)


def test_each_record_tells_its_time(cluster: ClusterPort, topic: str, join: Join) -> None:
    before = int(time.time() * 1000)
    send(cluster, topic, b"a", b"b")
    consumer, times = join(), list[int]()

    def all_told() -> bool:
        for records in consumer.poll(100, 1 << 20, 0.05, 0.2).records.values():
            times.extend(records.all_milliseconds())
        return len(times) == 2

    wait_until(all_told, 30)
    assert all(before <= one <= time.time() * 1000 + 1 for one in times)


def test_an_end_is_told_where_the_log_ends(cluster: ClusterPort, topic: str, join: Join) -> None:
    send(cluster, topic, b"a")
    consumer, ends = join(), {}

    def all_told() -> bool:
        ends.update(consumer.poll(100, 1 << 20, 0.05, 0.2).ends)
        return len(ends) == 2

    wait_until(all_told, 30)
    assert sorted(ends.values()) == [0, 1]
    numbers = cluster.admin().watermarks(topic, [0, 1])
    assert {Partition(topic, number): marks.high for number, marks in numbers.items()} == ends


def test_reading_begins_where_the_claim_says(cluster: ClusterPort, topic: str, join: Join) -> None:
    """And a partition that it leaves out is not read."""
    send(cluster, topic, b"a", b"b", b"c")

    def at_two(partitions: Sequence[Partition], marks: Mapping[Partition, Watermarks]) -> Starts:
        return {one: 2 for one in partitions if marks[one].high == 3}

    consumer = join(on_assign=at_two)
    assert [one.value for one in read(consumer, 1)] == [b"c"]
    assert len(consumer.assigned) == 1


def test_what_a_claim_raises_ends_the_consumer(cluster: ClusterPort, topic: str, join: Join) -> None:
    send(cluster, topic, b"a")

    def fails(partitions: Sequence[Partition], marks: Mapping[Partition, Watermarks]) -> Starts:
        raise LookupError("the claim failed")

    consumer = join(on_assign=fails)
    with pytest.raises(ConsumerBroken, match="the claim failed") as caught:
        poll_in_vain(consumer)
    assert isinstance(caught.value.__cause__, LookupError)


def test_a_paused_consumer_reads_on_from_where_it_is_told(cluster: ClusterPort, topic: str, join: Join) -> None:
    consumer = join()
    send(cluster, topic, b"a")
    (first,) = read(consumer, 1)
    consumer.pause()
    send(cluster, topic, b"b")
    for _ in range(3):
        assert consumer.poll(100, 1 << 20, 0.05, 0.1).records == {}
    consumer.resume({first.partition: 1})
    assert [one.value for one in read(consumer, 1)] == [b"b"]


def test_a_partition_that_is_held_is_not_read_and_the_others_are(cluster: ClusterPort, topic: str, join: Join) -> None:
    """It goes on from where it is told, also after a pause of all."""
    consumer = join()
    by_key: dict[Partition, bytes] = {}
    while len(by_key) < 2:
        key = uuid.uuid4().bytes
        send(cluster, topic, key, key=key)
        (one,) = read(consumer, 1)
        by_key[one.partition] = key
    (first, key), (second, other) = by_key.items()
    before = {number: marks.high for number, marks in cluster.admin().watermarks(topic, [0, 1]).items()}
    starts = {partition: before[partition.number] for partition in (first, second)}
    consumer.hold([first], starts)
    send(cluster, topic, b"a", key=key)
    send(cluster, topic, b"b", key=other)
    assert [one.value for one in read(consumer, 1)] == [b"b"]
    consumer.pause()
    consumer.resume({second: starts[second] + 1, first: starts[first]})
    for _ in range(3):
        assert consumer.poll(100, 1 << 20, 0.05, 0.1).records == {}
    consumer.hold([], starts)
    assert [one.value for one in read(consumer, 1)] == [b"a"]


def test_the_ends_are_told(cluster: ClusterPort, topic: str, join: Join) -> None:
    consumer = join()
    send(cluster, topic, b"a", b"b")
    (first, _) = read(consumer, 2)
    other = Partition(topic, 1 - first.partition.number)
    assert cluster.admin().ends([first.partition, other], 10) == {first.partition: 2, other: 0}
    assert cluster.admin().ends([], 10) == {}


def test_members_share_the_partitions(topic: str, join: Join) -> None:
    """The first gives back, and is told so."""
    gone: list[Partition] = []
    first = join("one", on_revoke=gone.extend)
    wait_until(lambda: first.poll(100, 1 << 20, 0, 0.1) and len(first.assigned) == 2, 30)
    second = join("two")
    wait_until(lambda: (first.poll(1, 1, 0, 0.1), second.poll(1, 1, 0, 0.1)) and len(second.assigned) == 1, 30)
    assert len(gone) == 1
    assert first.assigned | second.assigned == {Partition(topic, 0), Partition(topic, 1)}


def test_who_has_the_same_instance_fences_the_former(join: Join) -> None:
    first = join("one")
    wait_until(lambda: first.poll(1, 1, 0, 0.1) and first.joined, 30)
    second = join("one")
    with pytest.raises(InstanceFenced, match="node_id"):
        poll_in_vain(second, first)


def test_who_leaves_frees_its_partitions_at_once(join: Join) -> None:
    """A static member that only ends holds them until its session is over, 6 s later."""
    first, second = join("one"), join("two")

    def shared() -> bool:
        first.poll(1, 1, 0, 0.1)
        second.poll(1, 1, 0, 0.1)
        return len(first.assigned) == len(second.assigned) == 1

    wait_until(shared, 30)
    first.leave(5.0)
    first.close(5.0)
    began = time.monotonic()
    wait_until(lambda: second.poll(1, 1, 0, 0.1) and len(second.assigned) == 2, 30)
    assert time.monotonic() - began < 4.0


def test_what_was_committed_is_told(cluster: ClusterPort, topic: str, join: Join) -> None:
    """For lag tools; of a partition that nobody told of, nothing."""
    one = join()
    wait_until(lambda: one.poll(1, 1, 0, 0.1) and len(one.assigned) == 2, 30)
    first, second = Partition(topic, 0), Partition(topic, 1)
    one.commit({first: 7})
    told = cluster.admin().committed
    wait_until(lambda: told(f"group-{topic}", [first, second]) == {first: 7}, 20)


def test_a_record_that_the_topic_does_not_take_is_told(cluster: ClusterPort, topic: str) -> None:
    assert send(cluster, topic, os.urandom(200_000)).oversized
    assert send(cluster, topic, b"x").failed is None


def test_members_of_a_group_are_told(cluster: ClusterPort, topic: str, join: Join) -> None:
    """A group that there is not has none."""
    consumer, other = join("one"), f"group-none-{topic}"

    def there() -> bool:
        consumer.poll(1, 1, 0.0, 0.1)
        return len(cluster.admin().members([f"group-{topic}", other])) == 1

    wait_until(there, 30)
    (member,) = cluster.admin().members([f"group-{topic}", other])
    assert (member.group, member.instance) == (f"group-{topic}", "one")
    assert member.host in ("memory", "127.0.0.1")
