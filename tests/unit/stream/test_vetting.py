"""The loop on a cluster and a sink in memory, with records that the worker must not have: tried in real children."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from etld import config, stream
from etld.isolation.in_hand import PREPARING, Held, InHand, Killer, text_of
from etld.isolation.program import Program
from etld.kafka.memory import MemoryCluster
from etld.kafka.types import Partition
from etld.sinks.base import RecordCounts, Transaction, Verdict
from etld.sinks.memory import MemorySink, MemoryStore, MemoryTransaction
from etld.stream import Batch, BatchHandler, BatchLimits, Timings, Work
from etld.worker import Addresses
from etld.worker.testing import LocalWorker
from support.waiting import wait_until

TOPIC = "events"
FIRST, SECOND = Partition(TOPIC, 0), Partition(TOPIC, 1)
OTHER = Partition("others", 0)
ROOT = Path(__file__).resolve().parents[3]


class Adder(BatchHandler[Work]):
    """Adds each value to the effects. "exit" breaks it as it breaks the child; what is left out counts as dead."""

    group = "adder"
    topics = (TOPIC, "others")

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.asked = threading.Event()
        self.answer: Callable[[], str | None] = lambda: "yes"
        self.dead: list[tuple[str, str, str]] = []
        self.broke = 0

    def program(self) -> Program:
        def answer(_question: str) -> str | None:
            self.asked.set()
            self.answers.wait(30)
            return self.answer()

        return Program("support.killing_work:opened", None, answer, 256 << 20)

    def prepare(self, batch: Batch) -> Work:
        values = self.killers.values_of(batch)
        if b"exit" in values:
            self.broke += 1
            raise RuntimeError("a panic")
        return Work(batch, {share.partition: RecordCounts(stored=share.count) for share in batch})

    def write(self, transaction: Transaction, work: Work, verdict: Verdict | None) -> Mapping[Partition, RecordCounts]:
        assert isinstance(transaction, MemoryTransaction)
        changes = {}
        for share in work.batch:
            values = self.killers.values(share)
            for value in values:
                if value is not None:
                    transaction.add(value)
            changes[share.partition] = RecordCounts(stored=-values.count(None), dead=values.count(None))
        return changes


Start = Callable[..., tuple[Adder, LocalWorker]]


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    made.create(TOPIC, 2)
    made.create("others", 1)
    return made


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def start(cluster: MemoryCluster, store: MemoryStore, tmp_path: Path) -> Iterator[Start]:
    """Runs the loop in a thread."""
    settings = config.load(ROOT / "config" / "etld.toml", {"ETLD_STATE_DIR": str(tmp_path)})
    addresses = Addresses(http="", kafka="", postgres="", schema_registry="embedded", control="")
    made: list[tuple[LocalWorker, threading.Thread]] = []
    timings = Timings(0.02, 0.005, 0.005, 0.01, idle_every=0.05, report_every=0.02)

    def begin(*, after_crash: bool = False) -> tuple[Adder, LocalWorker]:
        handler, worker = Adder(), LocalWorker(settings, "adder", "adder-0", addresses)
        worker.ended_by_itself = after_crash
        arguments = (worker, handler, BatchLimits(100, 1 << 20, 0.0), cluster)
        more = {"open_sink": lambda _worker, consumer: MemorySink(store, consumer), "timings": timings}
        thread = threading.Thread(target=stream.run, name="loop", args=arguments, kwargs=more, daemon=True)
        thread.start()
        made.append((worker, thread))
        return handler, worker

    yield begin
    for worker, thread in made:
        worker.stop()
        thread.join(20)
        assert not thread.is_alive()


def held(partition: Partition, first: int, until: int) -> Held:
    """As a note has a partition's records."""
    return Held("records", str(partition), first, until)


def ended_with(tmp_path: Path, *things: Held) -> None:
    """A life of the worker that ended with these in hand."""
    InHand(tmp_path / "in-hand" / "adder-0").take(PREPARING, text_of(things))


def stored(store: MemoryStore, *values: bytes) -> None:
    """Wait until the effects are these, each once."""
    wait_until(lambda: sorted(store.effects) == sorted(values), 20, f"{values} stored", interval=0.005)


def counts(store: MemoryStore, partition: Partition) -> RecordCounts:
    """What became of a partition's records."""
    (found,) = store.positions.values()
    return found[partition].outcomes


def test_a_killer_is_left_out_and_its_neighbours_are_stored(
    cluster: MemoryCluster, store: MemoryStore, start: Start, tmp_path: Path
) -> None:
    """The worker does not touch it again after the crash; it is said and counted, and the note is empty then."""
    for value in (b"a", b"exit", b"b"):
        cluster.append(FIRST, value)
    ended_with(tmp_path, held(FIRST, 0, 2))
    handler, worker = start(after_crash=True)
    stored(store, b"a", b"b")
    assert counts(store, FIRST) == RecordCounts(stored=2, dead=1)
    assert handler.broke == 0
    assert worker.counter("killers", topic=TOPIC) == 1
    # And for a while the topic is watched: the next one does not reach the worker either.
    cluster.append(SECOND, b"exit")
    cluster.append(SECOND, b"c")
    stored(store, b"a", b"b", b"c")
    assert handler.broke == 0
    wait_until(lambda: not worker.metrics.faults.get("search"), 10, interval=0.005)
    wait_until(lambda: InHand(tmp_path / "in-hand" / "adder-0").suspicions == [], 10)


def test_what_breaks_the_role_by_an_unforeseen_exception_is_found_at_once(
    cluster: MemoryCluster, store: MemoryStore, start: Start
) -> None:
    """Nothing has to end for that."""
    for value in (b"a", b"exit", b"b"):
        cluster.append(FIRST, value)
    handler, worker = start()
    stored(store, b"a", b"b")
    assert handler.broke == 1
    wait_until(lambda: not worker.metrics.faults.get("batch"), 10, interval=0.005)


def test_one_end_from_outside_is_no_reason_to_search(
    cluster: MemoryCluster, store: MemoryStore, start: Start, tmp_path: Path
) -> None:
    """The second is; and then the records pass."""
    cluster.append(FIRST, b"ask")
    ended_with(tmp_path, held(FIRST, 0, 1))
    handler, worker = start()
    stored(store, b"ask")
    assert not handler.asked.is_set()
    worker.stop()
    wait_until(lambda: "loop" not in {thread.name for thread in threading.enumerate()}, 20, interval=0.005)
    cluster.append(FIRST, b"ask")
    for _ in range(2):
        ended_with(tmp_path, held(FIRST, 1, 2))
    handler, _ = start()
    handler.answers.set()
    stored(store, b"ask", b"ask")
    assert handler.asked.is_set()
    assert counts(store, FIRST) == RecordCounts(stored=2)


def test_others_flow_while_a_partition_stands(
    cluster: MemoryCluster, store: MemoryStore, start: Start, tmp_path: Path
) -> None:
    """In order, and with the reason in words where the child cannot go on."""
    cluster.append(FIRST, b"ask")
    ended_with(tmp_path, held(FIRST, 0, 1))

    def away() -> str:
        raise ConnectionError("the registry is away")

    handler, worker = start(after_crash=True)
    handler.answer = away
    assert handler.asked.wait(20)
    cluster.append(SECOND, b"b")
    cluster.append(FIRST, b"c")
    cluster.append(OTHER, b"d")
    stored(store, b"b", b"d")
    handler.answers.set()
    wait_until(lambda: "the registry is away" in str(worker.metrics.faults.get("search")), 10, interval=0.005)
    assert f"searching {FIRST} offsets 0-0" in str(worker.metrics.faults["search"])
    handler.answer = lambda: "yes"
    stored(store, b"ask", b"b", b"c", b"d")
    assert store.effects.index(b"ask") < store.effects.index(b"c")


def test_a_pause_lets_go_of_what_is_held(
    cluster: MemoryCluster, store: MemoryStore, start: Start, tmp_path: Path
) -> None:
    """It is read again after it."""
    cluster.append(FIRST, b"ask")
    ended_with(tmp_path, held(FIRST, 0, 1))
    handler, worker = start(after_crash=True)
    assert handler.asked.wait(20)
    worker.pause()
    wait_until(lambda: {"type": "paused"} in worker.messages, 10, interval=0.005)
    handler.answers.set()
    worker.resume()
    stored(store, b"ask")


def test_a_killer_that_a_life_before_found_is_not_searched_again(
    cluster: MemoryCluster, store: MemoryStore, start: Start, tmp_path: Path
) -> None:
    """It was killed before it could write that. In another topic of that name it says nothing."""
    for value in (b"a", b"exit", b"b"):
        cluster.append(FIRST, value)
        cluster.append(SECOND, b"ok")
    topic = cluster.admin().topics([TOPIC])[TOPIC]
    note = InHand(tmp_path / "in-hand" / "adder-0")
    note.condemn(Killer(held(FIRST, 1, 2), topic.topic_id, "TRANSFORM", "ended with exit code 4", 3))
    note.condemn(Killer(held(SECOND, 1, 2), "another", "TRANSFORM", "ended with exit code 4", 3))
    handler, worker = start()
    stored(store, b"a", b"b", b"ok", b"ok", b"ok")
    assert counts(store, FIRST) == RecordCounts(stored=2, dead=1)
    assert counts(store, SECOND) == RecordCounts(stored=3)
    assert handler.broke == worker.counter("killers") == 0
    wait_until(lambda: held(FIRST, 1, 2) not in [one.held for one in worker_note(tmp_path).killers], 10)


def worker_note(tmp_path: Path) -> InHand:
    """As a next life reads it, from a copy."""
    copied = tmp_path / "copied"
    copied.write_bytes(tmp_path.joinpath("in-hand", "adder-0").read_bytes())
    return InHand(copied)
