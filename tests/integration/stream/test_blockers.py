"""A claim that waits for a frozen owner ends that owner's backend, and nobody else's."""

from __future__ import annotations

import threading

import pytest

from etld.kafka.types import Partition
from etld.postgres.connections import connect
from etld.postgres.migrate import migrate
from etld.sinks.base import Advance, Consumer, PartitionLog, RecordCounts
from etld.sinks.postgres.positions import Positions, end_blockers
from support.waiting import wait_until

pytestmark = pytest.mark.integration

KEY = Partition("event_purchase", 0)
FOUND = [PartitionLog(KEY, "id", 0, 100)]


def test_only_the_backend_that_blocks_is_ended(database: str) -> None:
    """The claimant goes on, and so do the other workers."""
    with (
        connect(database, application_name="test") as conn,
        connect(database, application_name="etld processor-purchase-0") as frozen,
        connect(database, application_name="etld processor-purchase-1") as claimant,
        connect(database, application_name="etld aggregator-0") as other,
    ):
        migrate(conn)
        former, latter = (Positions(Consumer("cluster", "group", name)) for name in ("former", "latter"))
        ((mine,), _) = former.claim(frozen, FOUND)
        frozen.execute("BEGIN")
        with frozen.cursor() as cur:
            move = Advance(KEY, "id", mine.epoch, 0, 5, 5, 0)
            former.advance(cur, [move], {KEY: RecordCounts(stored=5)})
        claimed: list[int] = []
        claim = threading.Thread(target=lambda: claimed.append(latter.claim(claimant, FOUND)[0][0].next_offset))
        claim.start()
        pid = claimant.info.backend_pid
        blocked = "SELECT cardinality(pg_blocking_pids(%s))"
        wait_until(lambda: conn.execute(blocked, (pid,)).fetchall() == [(1,)], 20, "the claim waits")
        assert end_blockers(conn, pid) == 1
        claim.join(20)
        assert claimed == [0]
        assert other.execute("SELECT 1").fetchall() == [(1,)]
        frozen.close()


def test_a_command_that_holds_positions_is_waited_for(database: str) -> None:
    """`etld forget` and `etld rebuild` hold them for some seconds, and end by themselves."""
    with (
        connect(database, application_name="test") as conn,
        connect(database, application_name="etld forget") as command,
        connect(database, application_name="etld aggregator-0") as claimant,
    ):
        migrate(conn)
        positions = Positions(Consumer("cluster", "group", "aggregator-0"))
        positions.claim(conn, FOUND)
        claimed: list[int] = []
        claim = threading.Thread(target=lambda: claimed.append(positions.claim(claimant, FOUND)[0][0].next_offset))
        with command.transaction():
            command.execute("SELECT FROM etld.kafka_position FOR UPDATE")
            claim.start()
            pid = claimant.info.backend_pid
            blocked = "SELECT cardinality(pg_blocking_pids(%s))"
            wait_until(lambda: conn.execute(blocked, (pid,)).fetchall() == [(1,)], 20, "the claim waits")
            assert end_blockers(conn, pid) == 0
        claim.join(20)
        assert claimed == [0]
