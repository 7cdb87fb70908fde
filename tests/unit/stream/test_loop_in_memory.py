"""The loop on a cluster and a sink in memory: what it does when either breaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from etld import config, stream
from etld.kafka.memory import MemoryCluster
from etld.kafka.types import Partition
from etld.sinks.base import (
    OFFSET_LOST,
    RECREATED,
    Consumer,
    PartitionLog,
    RecordCounts,
    SideConnection,
    SinkError,
    TooManyRefused,
    Transaction,
    Verdict,
)
from etld.sinks.memory import MemorySink, MemoryStore, MemoryTransaction
from etld.stream import Batch, BatchHandler, BatchLimits, Gathers, Timings, Work
from etld.stream.batch import spent
from etld.worker import Addresses
from etld.worker.metrics import key
from etld.worker.testing import LocalWorker
from support.waiting import wait_until

SETTINGS = config.load(Path(__file__).resolve().parents[3] / "config" / "etld.toml", {})
TOPIC = "events"
FIRST, SECOND = Partition(TOPIC, 0), Partition(TOPIC, 1)
LIMITS = BatchLimits(100, 1 << 20, 0.0)
# Pauses of the loop as long as a test lasts.
HASTY = Timings(
    idle_poll=0.02,
    busy_poll=0.005,
    still_poll=0.005,
    stand_still=0.01,
    check_topics_every=0.05,
    report_every=0.02,
    idle_every=0.05,
    idle_under_load=0.05,
    probe_every=0.02,
    stalled_after=0.2,
    session_retry=0.01,
    write_retry=0.01,
)


class Collector(BatchHandler[Work]):
    """Adds each value to the effects; refuses those that begin with "bad"."""

    group = "collector"
    topics = (TOPIC,)

    def __init__(self) -> None:
        self.verdicts: list[Verdict | None] = []
        self.sizes: list[int] = []
        self.idled = 0
        self.blocked: str | None = None
        self.most_refused = 1000
        self.prepared = 0

    def prepare(self, batch: Batch) -> Work:
        self.prepared += batch.count
        return Work(batch, {part.partition: RecordCounts(stored=part.count) for part in batch})

    def write(self, transaction: Transaction, work: Work, verdict: Verdict | None) -> Mapping[Partition, RecordCounts]:
        assert isinstance(transaction, MemoryTransaction)
        self.verdicts.append(verdict)
        self.sizes.append(work.batch.count)
        bad = [value for value in work.batch.values if value is not None and value.startswith(b"bad")]
        if bad and verdict is None:
            raise SinkError("refused", "data")
        if len(bad) > self.most_refused:
            raise TooManyRefused("too many")
        for part in work.batch:
            for value in part.records.values:
                if value not in bad:
                    transaction.add(value)
        if not bad:
            return {}
        return {
            part.partition: RecordCounts(stored=-n, dead=n)
            for part in work.batch
            if (n := sum(value in bad for value in part.records.values))
        }

    def blocked_by(self) -> str | None:
        return self.blocked

    def idle(self, side: SideConnection) -> None:
        self.idled += 1


class Running:
    """A loop in a thread of its own."""

    def __init__(
        self,
        cluster: MemoryCluster,
        store: MemoryStore,
        name: str = "collector-0",
        limits: BatchLimits = LIMITS,
        handler: Collector | None = None,
    ) -> None:
        addresses = Addresses(http="", kafka="", postgres="", schema_registry="embedded", control="")
        self.worker = LocalWorker(SETTINGS, "collector", name, addresses)
        self.handler = handler or Collector()
        self.sink: MemorySink | None = None
        self.failure: BaseException | None = None
        self.cluster, self.store, self.limits = cluster, store, limits
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        def open_sink(_worker: object, consumer: object) -> MemorySink:
            self.sink = MemorySink(self.store, consumer)  # type: ignore[arg-type]
            return self.sink

        try:
            stream.run(self.worker, self.handler, self.limits, self.cluster, open_sink, HASTY)
        except BaseException as error:
            self.failure = error

    @property
    def faults(self) -> dict[str, str]:
        """What degrades the worker now."""
        return {name: text for name, text in self.worker.metrics.faults.items() if text}


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    made.create(TOPIC, 2)
    return made


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


Start = Callable[..., Running]


@pytest.fixture
def start(cluster: MemoryCluster, store: MemoryStore) -> Iterator[Start]:
    made: list[Running] = []

    def begin(name: str = "collector-0", handler: Collector | None = None) -> Running:
        one = Running(cluster, store, name, handler=handler)
        made.append(one)
        one.thread.start()
        return one

    yield begin
    store.gate.set()
    for one in made:
        one.worker.stop()
    for one in made:
        one.thread.join(10)
        assert not one.thread.is_alive()


def stored(store: MemoryStore, *values: bytes) -> None:
    """Wait until the effects are these, each once."""
    wait_until(lambda: sorted(store.effects) == sorted(values), 10, f"{values} stored", interval=0.005)


def positions(store: MemoryStore) -> dict[Partition, int]:
    """Where the group is."""
    return {partition: one.next for found in store.positions.values() for partition, one in found.items()}


def test_what_is_there_and_what_comes_is_stored_once(cluster: MemoryCluster, store: MemoryStore, start: Start) -> None:
    """Join, claim, read, write; with the positions of both partitions."""
    cluster.append(FIRST, b"a")
    running = start()
    stored(store, b"a")
    cluster.append(SECOND, b"b")
    stored(store, b"a", b"b")
    assert positions(store) == {FIRST: 1, SECOND: 1}
    assert running.worker.ready_event.is_set()


def test_a_lost_connection_is_waited_out(cluster: MemoryCluster, store: MemoryStore, start: Start) -> None:
    """The same batch goes again, and only once."""
    store.faults.extend([SinkError("the server went away", "retry"), SinkError("and again", "retry")])
    cluster.append(FIRST, b"a")
    running = start()
    stored(store, b"a")
    wait_until(lambda: "memory" not in running.faults, 5, interval=0.005)


class Gatherer(Collector):
    """Has its batches gathered."""

    def __init__(self) -> None:
        super().__init__()
        self.gathers = Gathers(60.0, 5)
        self.values: dict[int, list[tuple[Partition, bytes | None]]] = {}

    def prepare(self, batch: Batch) -> GatheredWork:
        outcomes = super().prepare(batch).outcomes
        values = [(part.partition, value) for part in batch for value in part.records.values]
        return GatheredWork(batch, outcomes, values)

    def gathered(self, works: Sequence[Any]) -> GatheredWork:
        sums: dict[Partition, RecordCounts] = {}
        for work in works:
            for partition, counts in work.outcomes.items():
                sums[partition] = counts + sums.get(partition, RecordCounts())
        return GatheredWork(spent([work.batch for work in works]), sums, [one for work in works for one in work.values])

    def without(self, work: Any, partitions: Collection[Partition]) -> GatheredWork | None:
        batch = work.batch.without(partitions)
        if batch is None:
            return None
        outcomes = {key: counts for key, counts in work.outcomes.items() if key not in partitions}
        return GatheredWork(batch, outcomes, [one for one in work.values if one[0] not in partitions])

    def size(self, work: Any) -> int:
        return len(work.values)

    def write(self, transaction: Transaction, work: Any, verdict: Verdict | None) -> Mapping[Partition, RecordCounts]:
        assert isinstance(transaction, MemoryTransaction)
        self.sizes.append(work.batch.count)
        for _, value in work.values:
            transaction.add(value)
        return {}


@dataclass
class GatheredWork(Work):
    """Values that are kept without their records."""

    values: list[tuple[Partition, bytes | None]] = field(default_factory=list)


def test_prepared_batches_are_gathered_until_they_are_many(
    cluster: MemoryCluster, store: MemoryStore, start: Start
) -> None:
    """Then they are one write, whose position is behind all of them."""
    gatherer = Gatherer()
    running = start(handler=gatherer)
    for number in range(4):
        cluster.append(FIRST, b"%d" % number)
        wait_until(lambda: gatherer.prepared > number, 5, interval=0.005)  # noqa: B023  # called at once
    assert store.effects == []
    cluster.append(SECOND, b"4")
    stored(store, b"0", b"1", b"2", b"3", b"4")
    assert gatherer.sizes == [5]
    assert positions(store) == {FIRST: 4, SECOND: 1}
    assert not running.faults


def test_a_pause_lets_go_of_what_was_gathered(cluster: MemoryCluster, store: MemoryStore, start: Start) -> None:
    """It is written, so that all stand at the same positions."""
    gatherer = Gatherer()
    running = start(handler=gatherer)
    cluster.append(FIRST, b"a")
    wait_until(lambda: gatherer.prepared == 1, 5, interval=0.005)
    running.worker.paused = True
    stored(store, b"a")


def test_what_waits_too_long_is_written(cluster: MemoryCluster, store: MemoryStore, start: Start) -> None:
    gatherer = Gatherer()
    gatherer.gathers = Gathers(0.05, 1000)
    start(handler=gatherer)
    cluster.append(FIRST, b"a")
    stored(store, b"a")


def test_what_was_gathered_of_a_partition_that_is_taken_is_read_by_its_next_owner(
    cluster: MemoryCluster, store: MemoryStore, start: Start
) -> None:
    """Once, whoever writes it."""
    first, second = Gatherer(), Gatherer()
    second.gathers = first.gathers = Gathers(60.0, 2)
    start(handler=first)
    cluster.append(FIRST, b"a")
    wait_until(lambda: first.prepared == 1, 5, interval=0.005)
    start("collector-1", handler=second)
    wait_until(lambda: len(set(map(len, (first.owned, second.owned)))) == 1 and len(first.owned) == 1, 10, "shared")  # type: ignore[arg-type]
    for partition in (FIRST, SECOND):
        cluster.append(partition, b"%d1" % partition.number)
        cluster.append(partition, b"%d2" % partition.number)
    stored(store, b"a", b"01", b"02", b"11", b"12")


@pytest.mark.parametrize("happened", [True, False])
def test_a_commit_without_an_answer_is_looked_up(
    cluster: MemoryCluster, store: MemoryStore, start: Start, happened: bool
) -> None:
    """Whether it happened or not, its effects are there once."""
    store.lost_answers.append(happened)
    cluster.append(FIRST, b"a")
    running = start()
    stored(store, b"a")
    cluster.append(FIRST, b"b")
    stored(store, b"a", b"b")
    assert len(running.handler.verdicts) == (2 if happened else 3)


def test_who_was_fenced_claims_anew(cluster: MemoryCluster, store: MemoryStore, start: Start) -> None:
    """Another owner raised the epoch: nothing is written in the old one, and nothing is lost."""
    running = start()
    cluster.append(FIRST, b"a")
    stored(store, b"a")
    with store.lock:
        for one in next(iter(store.positions.values())).values():
            one.epoch += 1
    cluster.append(FIRST, b"b")
    stored(store, b"a", b"b")
    assert running.failure is None


@pytest.mark.parametrize("more", [True, False])
def test_what_a_standby_has_not_got_is_read_again(
    cluster: MemoryCluster, store: MemoryStore, start: Start, caplog: pytest.LogCaptureFixture, more: bool
) -> None:
    """Be there more records or none: the position went back with the rows, which is said and counted."""
    running = start()
    cluster.append(FIRST, b"a")
    stored(store, b"a")
    standby = store.standby()
    cluster.append(FIRST, b"b")
    cluster.append(FIRST, b"c")
    stored(store, b"a", b"b", b"c")
    wait_until(lambda: running.worker.metrics.lags.get(str(FIRST)) == 0, 5, interval=0.005)
    store.fail_over(standby)
    if more:
        cluster.append(FIRST, b"d")
    stored(store, b"a", b"b", b"c", *([b"d"] if more else []))
    assert sum(one.rewound for found in store.positions.values() for one in found.values()) == 2
    assert running.worker.metrics.counters[key("rewound", {"topic": TOPIC, "partition": 0})] == 2
    assert "goes back from offset 3 to 1, and 2 records are read again" in caplog.text
    wait_until(lambda: "failover" not in running.faults, 5, interval=0.005)
    assert running.failure is None


def test_refused_records_are_found_and_set_aside(cluster: MemoryCluster, store: MemoryStore, start: Start) -> None:
    """After the refusal the batch goes again with the verdict."""
    for value in (b"a", b"bad", b"c"):
        cluster.append(FIRST, value)
    running = start()
    stored(store, b"a", b"c")
    assert running.handler.verdicts[:2] == [None, "data"]
    (found,) = store.positions.values()
    assert found[FIRST].outcomes == RecordCounts(stored=2, dead=1)


def test_too_many_refused_records_come_again_in_pieces(cluster: MemoryCluster, store: MemoryStore) -> None:
    """In order, until each piece goes through."""
    for value in (b"bad1", b"a", b"bad2", b"b", b"bad3", b"c"):
        cluster.append(FIRST, value)
    running = Running(cluster, store, limits=replace(LIMITS, piece=2))
    running.handler.most_refused = 2
    running.thread.start()
    stored(store, b"a", b"b", b"c")
    running.worker.stop()
    running.thread.join(10)
    assert running.handler.sizes[:2] == [6, 6]
    assert set(running.handler.sizes[2:]) == {2}
    assert store.effects == [b"a", b"b", b"c"]


def test_two_members_share_the_partitions(cluster: MemoryCluster, store: MemoryStore, start: Start) -> None:
    """What one gives back the other goes on with, and each record is stored once."""
    start("collector-0")
    cluster.append(FIRST, b"a")
    cluster.append(SECOND, b"b")
    stored(store, b"a", b"b")
    second = start("collector-1")
    wait_until(second.worker.ready_event.is_set, 10, interval=0.005)
    cluster.append(FIRST, b"c")
    cluster.append(SECOND, b"d")
    stored(store, b"a", b"b", b"c", b"d")
    assert positions(store) == {FIRST: 2, SECOND: 2}


def test_a_partition_that_is_taken_away_leaves_the_backlog(
    cluster: MemoryCluster, store: MemoryStore, start: Start
) -> None:
    """The member that takes it over reads from the position, not from where the former one had read."""
    store.gate.clear()
    start("collector-0")
    for number in range(250):
        cluster.append(FIRST, b"%d" % number)
        cluster.append(SECOND, b"%d" % (number + 250))
    start("collector-1")
    store.gate.set()
    stored(store, *(b"%d" % number for number in range(500)))


def test_a_topic_made_anew_stands_still_until_a_person_decides(
    cluster: MemoryCluster, store: MemoryStore, start: Start
) -> None:
    """It is halted with the reason, and goes on when its position was begun anew."""
    running = start()
    cluster.append(FIRST, b"a")
    stored(store, b"a")
    cluster.create(TOPIC, 2)
    cluster.append(FIRST, b"new")
    wait_until(lambda: "made anew" in running.faults.get("partitions", ""), 10, interval=0.005)
    (found,) = store.positions.values()
    assert found[FIRST].halted == RECREATED
    assert store.effects == [b"a"]
    described = cluster.admin().topics([TOPIC])[TOPIC]
    with store.lock:
        for one in found.values():
            one.topic_id, one.next, one.halted = described.topic_id, 0, ""
    stored(store, b"a", b"new")


def test_a_partition_that_retention_overran_is_halted(cluster: MemoryCluster, store: MemoryStore, start: Start) -> None:
    """The other one is read."""
    for value in (b"a", b"b", b"c"):
        cluster.append(FIRST, value)
    topic = cluster.admin().topics([TOPIC])[TOPIC]
    MemorySink(store, Consumer("memory", "etld-collector", "earlier#1")).claim(
        [PartitionLog(FIRST, topic.topic_id, 0, 3)]
    )
    cluster.delete_records(FIRST, 2)
    cluster.append(SECOND, b"d")
    running = start()
    stored(store, b"d")
    wait_until(lambda: "retention deleted 2 records" in running.faults.get("partitions", ""), 10, interval=0.005)
    assert store.positions[("memory", "etld-collector")][FIRST].halted == OFFSET_LOST


def test_a_pause_stops_the_reading_and_a_resume_goes_on(
    cluster: MemoryCluster, store: MemoryStore, start: Start
) -> None:
    """Paused is told when nothing is in hand any more."""
    running = start()
    cluster.append(FIRST, b"a")
    stored(store, b"a")
    running.worker.pause()
    wait_until(lambda: {"type": "paused"} in running.worker.messages, 10, interval=0.005)
    cluster.append(FIRST, b"b")
    wait_until(lambda: running.handler.idled >= 1, 10, interval=0.005)
    assert store.effects == [b"a"]
    running.worker.resume()
    stored(store, b"a", b"b")


def test_a_pause_goes_on_to_a_position_and_tells_it(cluster: MemoryCluster, store: MemoryStore, start: Start) -> None:
    """Not a record further, whatever was read in advance; the rest comes after the pause."""
    running = start()
    cluster.append(FIRST, b"a")
    stored(store, b"a")
    running.worker.post({"type": "pause", "until": []})
    wait_until(lambda: running.worker.messages[-1] == paused_at({0: 1, 1: 0}), 10, interval=0.005)
    for value in (b"b", b"c", b"d"):
        cluster.append(FIRST, value)
    running.worker.post({"type": "pause", "until": [[TOPIC, 0, 3], [TOPIC, 1, 0]]})
    wait_until(lambda: running.worker.messages[-1] == paused_at({0: 3, 1: 0}), 10, interval=0.005)
    assert store.effects == [b"a", b"b", b"c"]
    running.worker.resume()
    stored(store, b"a", b"b", b"c", b"d")


def paused_at(offsets: dict[int, int]) -> dict[str, Any]:
    return {"type": "paused", "positions": [[TOPIC, number, offset] for number, offset in offsets.items()]}


def test_a_slow_sink_holds_the_reading_back(cluster: MemoryCluster, store: MemoryStore, start: Start) -> None:
    """One batch is written, one waits, one is in the backlog: the rest stays in Kafka."""
    for number in range(2000):
        cluster.append(FIRST, b"%d" % number)
    store.gate.clear()
    running = start()
    wait_until(running.worker.ready_event.is_set, 10, interval=0.005)
    time.sleep(0.2)
    assert running.handler.prepared <= 3 * LIMITS.max_records
    wait_until(lambda: running.worker.metrics.lags.get(str(FIRST)) == 2000, 10, interval=0.005)
    for number in range(2000, 2100):
        cluster.append(FIRST, b"%d" % number)
    wait_until(lambda: running.worker.metrics.lags.get(str(FIRST)) == 2100, 10, "nothing is read: lag grows", 0.005)
    seconds = key("consumer_lag_seconds", {"topic": FIRST.topic, "partition": FIRST.number})
    wait_until(lambda: running.worker.metrics.gauges.get(seconds, 0.0) > 0, 10, "in time too", 0.005)
    store.gate.set()
    stored(store, *(b"%d" % number for number in range(2100)))
    wait_until(lambda: running.worker.metrics.gauges[seconds] == 0.0, 10, "it has caught up", 0.005)


def test_the_cluster_away_is_told_and_waited_out(cluster: MemoryCluster, store: MemoryStore, start: Start) -> None:
    """Before a session and within one."""
    cluster.away = "nobody listens"
    running = start()
    wait_until(lambda: "kafka" in running.faults, 10, interval=0.005)
    cluster.away = None
    cluster.append(FIRST, b"a")
    stored(store, b"a")
    wait_until(lambda: "kafka" not in running.faults, 10, interval=0.005)


def test_a_consumer_that_hands_nothing_out_is_replaced(
    cluster: MemoryCluster, store: MemoryStore, start: Start
) -> None:
    """Records are there, and the client library says neither that nor what is wrong."""
    running = start()
    cluster.append(FIRST, b"a")
    stored(store, b"a")
    group = cluster.group("etld-collector")
    (lost,) = group.members.values()
    lost.deaf = True
    cluster.append(FIRST, b"b")
    stored(store, b"a", b"b")
    assert lost not in group.members.values()
    wait_until(lambda: not running.faults, 10, interval=0.005)


def test_a_second_daemon_of_the_same_name_ends_the_first(
    cluster: MemoryCluster, store: MemoryStore, start: Start
) -> None:
    """Kafka fences its static id, and the sink shows that the other has claimed."""
    first = start("collector-0")
    cluster.append(FIRST, b"a")
    stored(store, b"a")
    second = start("collector-0")
    wait_until(lambda: isinstance(first.failure, SystemExit), 10, interval=0.005)
    assert any("same node_id" in message.get("reason", "") for message in first.worker.messages)
    cluster.append(FIRST, b"b")
    stored(store, b"a", b"b")
    assert second.failure is None
