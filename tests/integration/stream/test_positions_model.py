"""Claims, fences, revocations and crashes in any order, against the real database, held to a model."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from etld.kafka.types import Partition
from etld.postgres.connections import connect
from etld.postgres.migrate import migrate
from etld.sinks.base import Advance, Claimed, Consumer, Fenced, PartitionLog, RecordCounts
from etld.sinks.postgres.positions import Positions, end_blockers
from support.waiting import wait_until

if TYPE_CHECKING:
    from etld.postgres.connections import Connection

pytestmark = pytest.mark.integration

TOPIC = "event_purchase"
WORKERS = st.sampled_from(["a", "b", "c"])
PARTS = st.integers(0, 1)


@dataclass
class Worker:
    """One process: a connection that claims, one that writes, and what it believes to own."""

    dsn: str
    name: str
    claims: Connection
    writes: Connection
    believes: dict[int, Claimed] = field(default_factory=dict)
    #: Moves of a transaction that is fenced and written, and not committed yet.
    open: list[Advance] = field(default_factory=list)
    #: Moves of a COMMIT that had no answer.
    unsure: list[Advance] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.positions = Positions(Consumer("cluster", "group", self.name))

    def cut(self) -> None:
        """The writing connection ends, in whatever it is."""
        self.writes.close()
        self.writes = connect(self.dsn, application_name=f"etld {self.name}-0")

    def forget(self) -> None:
        """As a process, or a session, that ends."""
        self.believes.clear()
        self.unsure = []


class Interleavings(RuleBasedStateMachine):
    """Three workers that may all believe they own the same two partitions."""

    conn: Connection
    dsn: str

    def __init__(self) -> None:
        super().__init__()
        self.conn.execute("TRUNCATE etld.kafka_position, etld.kafka_position_history, effect")
        self.workers = {
            name: Worker(self.dsn, name, *(connect(self.dsn, application_name=f"etld {name}-0") for _ in range(2)))
            for name in "abc"
        }
        self.owner: dict[int, tuple[str, int]] = {}
        self.position = {0: 0, 1: 0}

    def teardown(self) -> None:
        """End every connection."""
        for worker in self.workers.values():
            worker.claims.close()
            worker.writes.close()

    def mine(self, name: str, moves: list[Advance]) -> bool:
        """Is this worker the last one to have claimed these, as far as the moves know?"""
        return all(self.owner[m.partition.number] == (name, m.epoch) for m in moves)

    def among(self, data: st.DataObject, what: str) -> Worker:
        """One of the workers that have that."""
        return self.workers[data.draw(st.sampled_from([n for n, w in self.workers.items() if getattr(w, what)]))]

    @rule(name=WORKERS, part=PARTS, end=st.sampled_from(["commit", "crash", "ended by the claimant"]))
    def claim(self, name: str, part: int, end: str) -> None:
        """A claim waits for an open transaction, tells the position after it, and makes its owner a zombie."""
        worker = self.workers[name]
        held = [one for one in self.workers.values() if any(move.partition.number == part for move in one.open)]
        answers: list[tuple[list[Claimed], object]] = []
        ask = threading.Thread(
            target=lambda: answers.append(
                worker.positions.claim(worker.claims, [PartitionLog(Partition(TOPIC, part), "id", 0, 10_000)])
            )
        )
        ask.start()
        if held:
            pid = worker.claims.info.backend_pid
            blocked = "SELECT cardinality(pg_blocking_pids(%s))"
            wait_until(lambda: self.conn.execute(blocked, (pid,)).fetchall()[0][0], 10, "it waits", interval=0.002)
            if end == "commit":
                self.commit_open(held[0], answered=True)
            elif end == "crash":
                self.crash_open(held[0])
            else:
                assert end_blockers(self.conn, pid) == 1
                self.lose(held[0])
        ask.join(20)
        ((claimed, halted),) = answers
        assert not halted
        assert claimed[0].next_offset == self.position[part]
        worker.believes[part] = claimed[0]
        self.owner[part] = (name, claimed[0].epoch)

    @precondition(lambda self: any(w.believes and not w.open and not w.unsure for w in self.workers.values()))
    @rule(data=st.data(), counts=st.tuples(st.integers(1, 5), st.integers(1, 5)))
    def begin(self, data: st.DataObject, counts: tuple[int, int]) -> None:
        """Fence and effects of a batch over one partition or both; only the last claimant of all gets so far."""
        free = [n for n, w in self.workers.items() if w.believes and not w.open and not w.unsure]
        worker = self.workers[data.draw(st.sampled_from(free))]
        parts = data.draw(st.sets(st.sampled_from(sorted(worker.believes)), min_size=1))
        moves = [
            Advance(
                Partition(TOPIC, part),
                "id",
                mine.epoch,
                mine.next_offset,
                mine.next_offset + counts[part],
                counts[part],
                0,
            )
            for part, mine in sorted(worker.believes.items())
            if part in parts
        ]
        worker.writes.execute("BEGIN")
        # Nobody's advance ever waits: who would hold the row is its owner, and there is one.
        worker.writes.execute("SET LOCAL lock_timeout = '500 ms'")
        try:
            with worker.writes.cursor() as cur:
                tallies = {move.partition: RecordCounts(stored=move.consumed) for move in moves}
                worker.positions.advance(cur, moves, tallies)
                effects = [(move.partition.number, off) for move in moves for off in range(move.expected, move.next)]
                cur.executemany("INSERT INTO effect VALUES (%s, %s)", effects)
        except Fenced:
            worker.writes.execute("ROLLBACK")
            assert not self.mine(worker.name, moves)
            worker.forget()
            return
        assert self.mine(worker.name, moves)
        worker.open = moves

    @precondition(lambda self: any(w.open for w in self.workers.values()))
    @rule(data=st.data(), answered=st.booleans())
    def commit(self, data: st.DataObject, answered: bool) -> None:
        """It happens, whatever was revoked meanwhile; the answer may be lost."""
        self.commit_open(self.among(data, "open"), answered=answered)

    def commit_open(self, worker: Worker, *, answered: bool) -> None:
        """COMMIT, and what the worker knows of it."""
        worker.writes.execute("COMMIT")
        moves, worker.open = worker.open, []
        for move in moves:
            assert self.position[move.partition.number] == move.expected
            self.position[move.partition.number] = move.next
        if answered:
            self.goes_on(worker, moves)
        else:
            worker.cut()
            worker.unsure = moves

    def goes_on(self, worker: Worker, moves: list[Advance]) -> None:
        """What it still believes to own of them, it reads on from there."""
        for move in moves:
            if move.partition.number in worker.believes and worker.believes[move.partition.number].epoch == move.epoch:
                worker.believes[move.partition.number] = Claimed(move.partition, "id", move.next, move.epoch)

    @precondition(lambda self: any(w.open for w in self.workers.values()))
    @rule(data=st.data())
    def crash_between_fence_and_commit(self, data: st.DataObject) -> None:
        """The process dies with its transaction open."""
        self.crash_open(self.among(data, "open"))

    def crash_open(self, worker: Worker) -> None:
        """Nothing of it happens."""
        worker.open = []
        worker.cut()
        worker.forget()

    @precondition(lambda self: any(w.open for w in self.workers.values()))
    @rule(data=st.data())
    def link_breaks(self, data: st.DataObject) -> None:
        """The process lives on, and does not know whether its COMMIT arrived: it did not."""
        self.lose(self.among(data, "open"))

    def lose(self, worker: Worker) -> None:
        """The open transaction is gone, and its owner has to ask."""
        worker.unsure, worker.open = worker.open, []
        worker.cut()

    @precondition(lambda self: any(w.unsure for w in self.workers.values()))
    @rule(data=st.data())
    def resolve(self, data: st.DataObject) -> None:
        """A COMMIT without an answer: it happened, or it did not, or somebody else went on."""
        worker = self.among(data, "unsure")
        moves, worker.unsure = worker.unsure, []
        # The server may not have seen the end of that connection yet.
        try:
            happened = worker.positions.happened(worker.claims, moves)
        except Fenced:
            assert not self.mine(worker.name, moves)
            worker.forget()
            return
        assert self.mine(worker.name, moves)
        assert [self.position[move.partition.number] for move in moves] == [
            m.next if happened else m.expected for m in moves
        ]
        if happened:
            self.goes_on(worker, moves)

    @precondition(lambda self: any(w.believes for w in self.workers.values()))
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        """The group takes a partition away; what is being written of it may still be committed."""
        worker = self.among(data, "believes")
        del worker.believes[data.draw(st.sampled_from(sorted(worker.believes)))]

    @rule(name=WORKERS)
    def crash(self, name: str) -> None:
        """A worker forgets everything it believed."""
        worker = self.workers[name]
        if worker.open:
            self.crash_open(worker)
        worker.forget()

    @invariant()
    def each_offset_once(self) -> None:
        """The effects are exactly the offsets below the position."""
        rows = self.conn.execute("SELECT part, off FROM effect").fetchall()
        expected = Counter((part, off) for part, end in self.position.items() for off in range(end))
        assert Counter(rows) == expected

    @invariant()
    def books_balance(self) -> None:
        """It holds that next - start = consumed + gaps + lost, and consumed = stored + duplicate + filtered + dead."""
        rows = self.conn.execute(
            "SELECT count(*) FROM etld.kafka_position WHERE next_offset - start_offset <> consumed + gaps + lost"
            " OR consumed <> stored + duplicate + filtered + dead"
        ).fetchone()
        assert rows == (0,)


def test_no_interleaving_stores_twice_or_loses(database: str) -> None:
    """Whatever the order of claims, batches, commits without an answer, revocations and crashes."""
    with connect(database, application_name="test") as conn:
        migrate(conn)
        conn.execute("CREATE TABLE effect (part int, off bigint)")

        class Machine(Interleavings):
            pass

        Machine.conn, Machine.dsn = conn, database
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=80,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
