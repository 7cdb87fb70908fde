"""Who else has claimed: a twin is told from oneself and from the other members of the group."""

from __future__ import annotations

import pytest

from etld.kafka.types import Partition
from etld.postgres.connections import connect
from etld.postgres.migrate import migrate
from etld.sinks.base import Advance, Consumer, Fenced, PartitionLog, RecordCounts
from etld.sinks.postgres.positions import Positions

pytestmark = pytest.mark.integration

KEY = Partition("event_purchase", 0)
FOUND = [PartitionLog(KEY, "topic id", 0, 10)]


def test_only_another_process_of_the_same_name_is_a_rival(database: str) -> None:
    """A rebalance among differently named members never looks like a second daemon."""
    mine, twin, other = (
        Positions(Consumer("cluster", "group", owner)) for owner in ("host/w-0#a", "host/w-0#b", "host/w-1#c")
    )
    with connect(database, application_name="test") as conn:
        migrate(conn)
        mine.claim(conn, FOUND)
        assert not mine.rival(conn, {KEY})
        other.claim(conn, FOUND)
        assert not mine.rival(conn, {KEY})
        twin.claim(conn, FOUND)
        assert mine.rival(conn, {KEY})


def test_who_is_fenced_is_told_what_is_known_of_the_batch(database: str) -> None:
    """Nothing of it was written, where that is sure; after a COMMIT without an answer it is not."""
    mine, other = (Positions(Consumer("cluster", "group", owner)) for owner in ("host/w-0#a", "host/w-1#b"))
    with connect(database, application_name="test") as conn:
        migrate(conn)
        ((claim,), _) = mine.claim(conn, FOUND)
        move = Advance(KEY, "topic id", claim.epoch, 0, 5, 5, 0)
        with conn.transaction(), conn.cursor() as cur:
            mine.advance(cur, [move], {KEY: RecordCounts(stored=5)})
        other.claim(conn, FOUND)
        with pytest.raises(Fenced) as after_commit:
            mine.happened(conn, [move])
        with pytest.raises(Fenced) as before_commit, conn.transaction(), conn.cursor() as cur:
            mine.advance(cur, [move], {KEY: RecordCounts(stored=5)})
    assert "if this batch was written before" in str(after_commit.value)
    assert "nothing of this batch was written" in str(before_commit.value)


def test_a_partition_never_claimed_tells_nothing(database: str) -> None:
    """What a predecessor of the same name left behind is no sign of a rival."""
    mine, predecessor = (Positions(Consumer("cluster", "group", owner)) for owner in ("host/w-0#a", "host/w-0#b"))
    with connect(database, application_name="test") as conn:
        migrate(conn)
        predecessor.claim(conn, FOUND)
        assert not mine.rival(conn, set())
