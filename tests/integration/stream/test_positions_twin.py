"""Who else has claimed: a twin is told from oneself and from the other members of the group."""

from __future__ import annotations

import pytest

from etld.store.db import connect
from etld.store.migrate import migrate
from etld.store.positions import Found, Positions

pytestmark = pytest.mark.integration

KEY = ("event_purchase", 0)
FOUND = [Found(*KEY, "topic id", 0, 10)]


def test_only_another_process_of_the_same_name_is_a_rival(database: str) -> None:
    """A rebalance among differently named members never looks like a second daemon."""
    mine, twin, other = (Positions("cluster", "group", owner) for owner in ("host/w-0#a", "host/w-0#b", "host/w-1#c"))
    with connect(database, application_name="test") as conn:
        migrate(conn)
        mine.claim(conn, FOUND)
        assert not mine.rival(conn, {KEY})
        other.claim(conn, FOUND)
        assert not mine.rival(conn, {KEY})
        twin.claim(conn, FOUND)
        assert mine.rival(conn, {KEY})


def test_a_partition_never_claimed_tells_nothing(database: str) -> None:
    """What a predecessor of the same name left behind is no sign of a rival."""
    mine, predecessor = (Positions("cluster", "group", owner) for owner in ("host/w-0#a", "host/w-0#b"))
    with connect(database, application_name="test") as conn:
        migrate(conn)
        predecessor.claim(conn, FOUND)
        assert not mine.rival(conn, set())
