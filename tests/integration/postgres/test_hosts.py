"""Rows of daemons, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etld.postgres import hosts
from etld.postgres.connections import Connection, connect
from etld.postgres.migrate import migrate

pytestmark = pytest.mark.integration

ROW = (
    "INSERT INTO etld.daemon (cluster_id, node_id, identity, place, version, roles, beat_at, left_at)"
    " VALUES ('c', %s, %s, '/var', '1', %s, now() - %s::interval, now() - %s::interval)"
)


@pytest.fixture
def conn(database: str) -> Iterator[Connection]:
    """A database of this version."""
    with connect(database, application_name="test") as made:
        migrate(made)
        yield made


def add(conn: Connection, node: str, silent: str, *roles: str, left: str | None = None) -> None:
    """A daemon that was last heard of so long ago."""
    conn.execute(ROW, (node, node, list(roles), silent, left))


def test_who_is_silent_is_away_unless_it_has_left_or_is_not_watched(conn: Connection) -> None:
    """After an hour nobody is told any more."""
    add(conn, "well", "1 s", "processor")
    add(conn, "silent", "75 s", "ingest", "aggregator")
    add(conn, "left", "75 s", "corrector", left="75 s")
    add(conn, "front", "75 s", "ingest")
    add(conn, "long", "2 h", "processor")
    states = {one.node: one.state for one in hosts.read(conn)}
    assert states == {"well": "starting", "silent": "away", "left": "stopped", "front": "not watched", "long": "away"}
    assert hosts.away(conn, "c") == "host silent (/var) was last heard of 1m15s ago"
    assert hosts.away(conn, "another") is None


def test_who_is_gone_for_good_is_forgotten(conn: Connection) -> None:
    """Later where nobody can know."""
    add(conn, "gone", "8 d", "processor")
    add(conn, "left", "9 d", "processor", left="8 d")
    add(conn, "front", "8 d", "ingest")
    add(conn, "old front", "91 d", "ingest")
    assert hosts.away(conn, "c") is None
    assert [one.node for one in hosts.read(conn)] == ["front"]
