"""Claims, fences and crashes in any order, against the real database, held to a model."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from etld.store.db import connect
from etld.store.migrate import migrate
from etld.store.positions import Claimed, Fenced, Found, Move, Positions, Tally

if TYPE_CHECKING:
    from etld.store.db import Connection

pytestmark = pytest.mark.integration

TOPIC = "event_purchase"
WORKERS = st.sampled_from(["a", "b", "c"])
PARTS = st.integers(0, 1)


class Interleavings(RuleBasedStateMachine):
    """Three workers that may all believe they own the same two partitions."""

    conn: Connection

    def __init__(self) -> None:
        super().__init__()
        self.conn.execute("TRUNCATE etld.kafka_position, etld.kafka_position_history")
        self.conn.execute("CREATE TABLE IF NOT EXISTS effect (part int, off bigint)")
        self.conn.execute("TRUNCATE effect")
        self.workers = {name: Positions("cluster", "group", name) for name in "abc"}
        self.believes: dict[tuple[str, int], Claimed] = {}
        self.owner: dict[int, str] = {}
        self.position = {0: 0, 1: 0}
        self.unanswered: dict[str, tuple[list[Move], bool]] = {}

    @rule(name=WORKERS, part=PARTS)
    def claim(self, name: str, part: int) -> None:
        """A claim tells the committed position and makes every earlier owner a zombie."""
        claimed, halted = self.workers[name].claim(self.conn, [Found(TOPIC, part, "id", 0, 10_000)])
        assert not halted
        assert claimed[0].next_offset == self.position[part]
        self.believes[(name, part)] = claimed[0]
        self.owner[part] = name

    @precondition(lambda self: self.believes)
    @rule(data=st.data(), count=st.integers(1, 5), answered=st.booleans())
    def write(self, data: st.DataObject, count: int, answered: bool) -> None:
        """Only the last claimant's write happens; a COMMIT may go without an answer."""
        name, part = data.draw(st.sampled_from(sorted(self.believes)))
        mine = self.believes[(name, part)]
        after = mine.next_offset + count
        move = Move(TOPIC, part, "id", mine.epoch, mine.next_offset, after, count, 0)
        positions = self.workers[name]
        try:
            with self.conn.transaction(), self.conn.cursor() as cur:
                positions.advance(cur, [move], {(TOPIC, part): Tally(stored=count)})
                cur.executemany(
                    "INSERT INTO effect VALUES (%s, %s)", [(part, off) for off in range(mine.next_offset, after)]
                )
        except Fenced:
            assert self.owner[part] != name or self.position[part] != mine.next_offset
            del self.believes[(name, part)]
            return
        assert self.owner[part] == name
        self.position[part] = after
        if answered:
            self.believes[(name, part)] = Claimed(TOPIC, part, "id", after, mine.epoch)
        else:
            self.unanswered[name] = ([move], True)

    @precondition(lambda self: self.unanswered)
    @rule(data=st.data())
    def resolve(self, data: st.DataObject) -> None:
        """A worker that had no answer to its COMMIT asks: it happened, or somebody else went on."""
        name = data.draw(st.sampled_from(sorted(self.unanswered)))
        moves, _ = self.unanswered.pop(name)
        part = moves[0].part
        try:
            happened = self.workers[name].outcome(self.conn, moves)
        except Fenced:
            self.believes.pop((name, part), None)
            return
        assert happened
        self.believes[(name, part)] = Claimed(TOPIC, part, "id", moves[0].next, moves[0].epoch)

    @precondition(lambda self: self.believes)
    @rule(data=st.data())
    def unwritten(self, data: st.DataObject) -> None:
        """A COMMIT that never arrived is told from one that did."""
        name, part = data.draw(st.sampled_from(sorted(self.believes)))
        mine = self.believes[(name, part)]
        if name in self.unanswered or self.owner[part] != name or self.position[part] != mine.next_offset:
            return
        move = Move(TOPIC, part, "id", mine.epoch, mine.next_offset, mine.next_offset + 1, 1, 0)
        assert self.workers[name].outcome(self.conn, [move]) is False

    @rule(name=WORKERS)
    def crash(self, name: str) -> None:
        """A worker forgets everything it believed."""
        self.believes = {key: value for key, value in self.believes.items() if key[0] != name}
        self.unanswered.pop(name, None)

    @invariant()
    def each_offset_once(self) -> None:
        """The effects are exactly the offsets below the position."""
        rows = self.conn.execute("SELECT part, off FROM effect").fetchall()
        expected = Counter((part, off) for part, end in self.position.items() for off in range(end))
        assert Counter(rows) == expected

    @invariant()
    def books_balance(self) -> None:
        """next - start = consumed + gaps + lost, and consumed = stored + duplicate + filtered + dead."""
        rows = self.conn.execute(
            "SELECT count(*) FROM etld.kafka_position WHERE next_offset - start_offset <> consumed + gaps + lost"
            " OR consumed <> stored + duplicate + filtered + dead"
        ).fetchone()
        assert rows == (0,)


def test_no_interleaving_stores_twice_or_loses(database: str) -> None:
    """Whatever the order of claims, writes, unanswered commits and crashes."""
    with connect(database, application_name="test") as conn:
        migrate(conn)

        class Machine(Interleavings):
            pass

        Machine.conn = conn
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=60,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
