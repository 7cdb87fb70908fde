"""Hosts die, freeze, come and go; their clocks differ."""

from __future__ import annotations

import os
import time

from cluster import network
from cluster.scenarios import fault
from cluster.system import ClusterSystem, Part
from cluster.watch import Pauses, everywhere, owned, system_of, watching
from faults import clock
from faults.run import Run

#: What is done once in a cluster is done by another after so many seconds.
TAKEN_OVER = 10.0
#: What the work of the others may stand still for while a host joins or leaves, in seconds.
#: On few cores a start takes five seconds of processor time from hosts and servers alike, and that is measured with it.
PAUSE = 2.0 if len(os.sched_getaffinity(0)) >= 8 else 5.0


@fault("kill-host", "a host goes dark: the others take its partitions, and it comes back")
def kill_host(run: Run) -> None:
    _kill(run, max(1, run.options.kills // 2))


def _kill(run: Run, times: int) -> None:
    system = system_of(run)
    victim = system.hosts[-1]
    with run.load():
        for _ in range(times):
            had = run.until(lambda: owned(system, victim.name), f"{victim.name} has partitions")
            run.hold(run.rng.uniform(0, 1))
            began = time.monotonic()
            victim.die()
            everywhere(run, began)
            run.expect(not owned(system, victim.name), f"partitions are still {victim.name}'s, and go on")
            run.fired += bool(had)
            victim.come_back()


@fault("freeze-host", "every process of a host stands still for a while, and goes on as if nothing had been")
def freeze_host(run: Run) -> None:
    system = system_of(run)
    with run.load():
        for victim in reversed(system.hosts):
            had = run.until(lambda victim=victim: owned(system, victim.name), f"{victim.name} has partitions")
            began = time.monotonic()
            with victim.frozen():
                run.until(lambda victim=victim: not _leases(run, victim.name), "its leases are another's", TAKEN_OVER)
                everywhere(run, began)
                run.hold(max(0.0, run.options.outage - (time.monotonic() - began)))
                run.fired += bool(had) and not owned(system, victim.name)
            run.until(lambda: not system.unready(), "all hosts are well again", 90)
            run.flowing(200)


def _leases(run: Run, host: str) -> list[str]:
    """What this host does for all."""
    rows = run.system.sql("SELECT name FROM etld.lease WHERE node_id = %s AND expires_at > now() ORDER BY 1", (host,))
    return [name for (name,) in rows]


@fault("join-leave", "a host joins, works, and leaves for good: what stays with the others goes on")
def join_leave(run: Run) -> None:
    system = system_of(run)
    extra = system.add()
    with run.load():
        for _ in range(max(1, run.options.kills // 2)):
            before = _by_host(system)
            with watching(system) as pauses:
                extra.start()
                run.until(lambda: owned(system, extra.name), f"{extra.name} has partitions")
                run.flowing(200)
            _short(run, pauses, before, f"{extra.name} joins")
            before = _by_host(system)
            with watching(system) as pauses:
                began = time.monotonic()
                extra.leave()
                everywhere(run, began)
            _short(run, pauses, before, f"{extra.name} leaves")
            run.fired += 1


def _by_host(system: ClusterSystem) -> dict[Part, str]:
    return {part: host.name for host in system.hosts for part in owned(system, host.name)}


def _short(run: Run, pauses: Pauses, before: dict[Part, str], when: str) -> None:
    """Of the partitions that stay where they are; one that goes to another host stops a little longer."""
    now = _by_host(system_of(run))
    longest = pauses.of({part for part, host in now.items() if before.get(part) == host})
    run.expect(longest <= PAUSE, f"{when}: a partition of another host stands still for {longest:.1f} s")


def _apart() -> ClusterSystem:
    return ClusterSystem(clocks=(0, 60))


@fault(
    "clocks-apart",
    "the clocks of two hosts are a minute apart, and one host dies",
    make=_apart,
    impossible=lambda: network.missing() or clock.missing(),
)
def clocks_apart(run: Run) -> None:
    _kill(run, 1)
