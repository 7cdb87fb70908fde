"""Leases of several hosts in one database."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etld.postgres import connections
from etld.postgres.connections import Connection, PooledConnection
from etld.postgres.lease import LASTS, LeaseLost, Leases, holders
from etld.postgres.migrate import migrate

pytestmark = pytest.mark.integration

NAMES = ("charts", "storage")


class Host:
    """A holder with a connection and a clock of its own."""

    def __init__(self, dsn: str, name: str, *, pooled: bool = False) -> None:
        self.conn: Connection = connections.connect(dsn, application_name=f"etld {name}", pooled=pooled)
        self.now = 0.0
        self.leases = Leases(f"{name}/aggregator-0#1", name, NAMES, lambda: self.now)

    def keep(self) -> None:
        """As the loop does, when it is time."""
        self.now += 2.0
        self.leases.keep(self.conn)

    def write(self, value: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        """A transaction that is done under a lease, and what others do while it is frozen."""
        with self.conn.transaction():
            self.conn.execute("INSERT INTO written VALUES (%s)", (value,))
            meanwhile()
            self.leases.fence(self.conn, "storage")

    def take_over(self) -> None:
        """When the time of whoever held them is over."""
        expire(self.conn)
        self.keep()


def expire(conn: Connection, ahead: str = "-1 s") -> None:
    """Let the time of all leases be over, or lie that far ahead."""
    conn.execute("UPDATE etld.lease SET expires_at = clock_timestamp() + %s::interval", (ahead,))


@pytest.fixture(params=[False, True], ids=["direct", "pooled"])
def hosts(database: str, request: pytest.FixtureRequest) -> tuple[Host, Host]:
    one, other = (Host(database, name, pooled=request.param) for name in ("one", "two"))
    migrate(one.conn)
    one.conn.execute("CREATE TABLE written (value int)")
    assert isinstance(one.conn, PooledConnection) is request.param
    return one, other


def held(conn: Connection) -> dict[str, str]:
    """Who holds what."""
    return {name: node for name, node, _ in holders(conn) if name in NAMES}


def test_one_holds_a_lease_until_its_time_is_over(hosts: tuple[Host, Host]) -> None:
    """The other has it within its time and a look; who gives it up lets the other have it at once."""
    one, other = hosts
    one.keep()
    other.keep()
    assert held(one.conn) == {"charts": "one", "storage": "one"}
    assert (one.leases.holds("charts"), other.leases.holds("charts")) == (True, False)
    expire(one.conn)
    other.keep()
    assert held(one.conn) == {"charts": "two", "storage": "two"}
    one.keep()
    assert not one.leases.holds("charts")
    other.leases.release(other.conn)
    assert held(one.conn) == {"charts": "", "storage": ""}
    one.keep()
    assert one.leases.holds("charts")


def test_the_process_before_is_not_waited_for(hosts: tuple[Host, Host]) -> None:
    """It was killed, and another has its place; should it live, it writes nothing more."""
    one, _ = hosts
    one.keep()
    successor = Leases("one/aggregator-0#2", "one", NAMES)
    successor.keep(one.conn)
    assert successor.holds("storage")
    with pytest.raises(LeaseLost):
        one.write(1)


def test_a_clock_that_was_ahead_keeps_nobody_out(hosts: tuple[Host, Host]) -> None:
    """PostgreSQL went over to a server whose clock is a minute behind, and the holder ended with the first one."""
    one, other = hosts
    one.keep()
    expire(one.conn, "60 s")
    other.keep()
    assert other.leases.holds("storage")


def test_who_was_frozen_writes_nothing(hosts: tuple[Host, Host]) -> None:
    """Its own clock tells it in time; in the midst of a transaction the epoch does."""
    one, other = hosts
    one.keep()
    one.write(1)
    with pytest.raises(LeaseLost, match="another host has taken over the lease 'storage'"):
        one.write(2, other.take_over)
    other.write(3)
    assert [row[0] for row in one.conn.execute("SELECT value FROM written ORDER BY 1")] == [1, 3]
    assert not one.leases.holds("storage")
    other.now += LASTS
    assert not other.leases.holds("storage")


def test_who_comes_back_under_its_name_is_another(hosts: tuple[Host, Host]) -> None:
    """Epochs only grow: one that held a lease before, lost it and has it again wrote nothing in between."""
    one, other = hosts
    one.keep()

    def meanwhile() -> None:
        other.take_over()
        other.leases.release(other.conn)
        again = Leases("one/aggregator-0#1", "one", NAMES)
        again.keep(other.conn)
        assert again.holds("storage")

    with pytest.raises(LeaseLost):
        one.write(1, meanwhile)
    assert one.conn.execute("SELECT count(*) FROM written").fetchone() == (0,)
