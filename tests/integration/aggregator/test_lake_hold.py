"""A partition whose time is over stays until the lake has it, and who waits for long is told of."""

from __future__ import annotations

import datetime as dt
import uuid
from types import SimpleNamespace
from typing import Any, cast

import pytest

from etld.aggregator.lake_hold import LakeHold
from etld.config import parse
from etld.postgres.connections import Connection
from etld.postgres.migrate import migrate
from etld.sinks.postgres.partitions import catalog, takeover
from etld.sinks.postgres.partitions.catalog import EventPartition
from etld.worker import Worker
from support.source_checks import ROOT

pytestmark = pytest.mark.integration

SHIPPED = (ROOT / "config" / "etld.toml").read_text()
HOLDING = SHIPPED.replace("hold_partitions = false", "hold_partitions = true")
OLD = dt.datetime.now(dt.UTC) - dt.timedelta(days=3)


def hold(text: str = HOLDING, *, lake: bool = True) -> LakeHold:
    """A keeper's, which has just begun."""
    config = parse(text, ROOT / "config" / "etld.toml", {"ETLD_LAKE__ENABLED": str(lake).lower()})
    return LakeHold(cast("Worker", SimpleNamespace(config=config)), "c")


@pytest.fixture
def leaf(conn: Connection) -> EventPartition:
    """The oldest partition, with three purchases of days ago that no position tells of."""
    migrate(conn)
    assert takeover.ensure(conn, "day") is None
    stored(conn, "purchase")
    return catalog.read(conn)[0]


def stored(conn: Connection, event_type: str) -> None:
    with conn.cursor() as cur:
        cur.executemany(
            "INSERT INTO processed_events (event_id, event_name, event_type, user_details, event_details, triggered_at,"
            " accepted_at, processed_at, kafka_partition, kafka_offset)"
            " VALUES (%s, 'x', %s, '{}', '{}', now(), %s, %s, 0, %s)",
            [(uuid.uuid4(), event_type, OLD, OLD, offset) for offset in range(3)],
        )


def since(conn: Connection) -> Any:
    ((found,),) = conn.execute("SELECT count(held_since) FROM etld.event_partition").fetchall()
    return found


def test_nothing_is_held_unless_it_is_asked_for(conn: Connection, leaf: EventPartition) -> None:
    assert not hold(SHIPPED).holds(conn, leaf)
    assert hold().holds(conn, leaf)


def test_it_is_told_of_when_it_lasts(conn: Connection, leaf: EventPartition) -> None:
    """Whoever looks after the partitions by then; what only a backfill brings is ordered."""
    first = hold()
    assert first.holds(conn, leaf)
    assert (first.problem, since(conn)) == (None, 1)
    assert conn.execute("SELECT event_type, requested_by FROM etld.lake_backfill").fetchall() == [
        ("purchase", "retention")
    ]
    conn.execute("UPDATE etld.event_partition SET held_since = now() - interval '2 hours' WHERE held_since IS NOT NULL")
    later = hold()
    assert later.holds(conn, leaf)
    assert later.problem is not None
    assert leaf.name in later.problem
    assert "3 of purchase" in later.problem
    conn.execute("UPDATE etld.lake_backfill SET done_at = now()")
    last = hold()
    assert not last.holds(conn, leaf)
    last.let_go(conn)
    assert (last.problem, since(conn)) == (None, 0)


def test_what_never_comes_is_told_of_at_once(conn: Connection, leaf: EventPartition) -> None:
    off = hold(lake=False)
    assert off.holds(conn, leaf)
    assert "the lake is off" in str(off.problem)
    assert conn.execute("SELECT count(*) FROM etld.lake_backfill").fetchall() == [(0,)]
    stored(conn, "gone")
    on = hold()
    assert on.holds(conn, leaf)
    assert "no worker writes gone to it" in str(on.problem)
