"""The primary database goes: as planned, or with what its standby had not got yet."""

from __future__ import annotations

import time

import psycopg

from cluster.scenarios import fault
from cluster.system import ClusterSystem
from cluster.watch import everywhere, owned, system_of
from faults.run import PROCESSORS, Run

_BEHIND = 5.0
# What whoever watches the primary takes to be sure that it is gone: Patroni's default is thirty.
_FOUND_OUT = 10.0


@fault("switch-over", "PostgreSQL is moved to its standby as planned, and back")
def switch_over(run: Run) -> None:
    system = system_of(run)
    databases = system.databases
    with run.load():
        for _ in range(2):
            old = databases.primary
            old.stop()
            databases.promote()
            began = time.monotonic()
            run.fired += 1
            everywhere(run, began)
            databases.attach()
            run.expect(databases.standby is old, "the old primary is not the standby")
            run.flowing(100)


@fault("failover-behind", "PostgreSQL fails over to a standby that is 5 s behind, under 5,000 events a second")
def failover_behind(run: Run) -> None:
    system = system_of(run)
    databases = system.databases
    rate = min(5000.0, 20 * run.options.rate)
    with run.load(rate=rate, batch=50):
        _fall_behind(run, system)
        before = system.progress(PROCESSORS) or 0
        databases.primary.place.power_off()
        run.hold(_FOUND_OUT)
        databases.promote()
        began = time.monotonic()
        after = system.progress(PROCESSORS) or 0
        run.fired += after < before
        everywhere(run, began)
    # The old primary returns, as a standby: it may not come back by itself.
    system.network.heal()
    databases.attach()


def _fall_behind(run: Run, system: ClusterSystem) -> None:
    """The standby hears nothing more of the primary, and the work goes on."""
    databases = system.databases
    system.network.cut(databases.primary.place, databases.standby.place)
    run.flowing(200)
    run.hold(_BEHIND)


@fault("split-brain", "the standby becomes primary while one host still works with the old one, which then goes")
def split_brain(run: Run) -> None:
    system = system_of(run)
    databases = system.databases
    zombie, others = system.hosts[-1], system.hosts[:-1]
    with run.load():
        run.until(lambda: owned(system, zombie.name), f"{zombie.name} has partitions")
        _fall_behind(run, system)
        # One host reaches only the old primary, all others only the new one.
        zombie.place.drop(databases.standby.place)
        databases.standby.place.drop(zombie.place)
        for host in others:
            system.network.cut(host.place, databases.primary.place)
        old = databases.primary
        databases.promote()
        late = _rows(old.dsn_of())
        run.until(lambda: _rows(old.dsn_of()) > late, f"{zombie.name} still writes to the old primary")
        run.fired += 1
        run.hold(run.options.outage / 2)
        # It is found out, and switched off: what it had taken is lost with it.
        old.place.power_off()
        for host in others:
            host.place.heal()
        zombie.place.heal()
        databases.primary.place.heal()
        everywhere(run, time.monotonic())
    system.network.heal()
    databases.attach()


def _rows(dsn: str) -> int:
    try:
        with psycopg.connect(dsn, connect_timeout=2) as conn:
            return int(conn.execute("SELECT sum(consumed) FROM etld.kafka_position").fetchall()[0][0])
    except psycopg.Error:
        return -1
