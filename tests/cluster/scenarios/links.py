"""The network between one host and the servers breaks: in both directions, or in one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from cluster.network import Place
from cluster.scenarios import fault
from cluster.system import ClusterSystem
from cluster.watch import everywhere, owned, system_of
from faults.run import Run

Cut = Callable[[Place, Place], None]


def _kafka(system: ClusterSystem) -> list[Place]:
    return [one.place for one in system.secured.secured]


def _postgres(system: ClusterSystem) -> list[Place]:
    return [one.place for one in system.databases.servers]


def _hurt(run: Run, servers: Sequence[Place], *cuts: Cut) -> None:
    """Cut the last host from these, one way after another, for as long as an outage is; then all is whole again."""
    system = system_of(run)
    victim = system.hosts[-1]
    with run.load():
        for cut in cuts:
            run.until(lambda: owned(system, victim.name), f"{victim.name} has partitions")
            mark = victim.log_end()
            for server in servers:
                cut(victim.place, server)
            began = time.monotonic()
            run.until(lambda mark=mark: victim.said("Kafka", "PostgreSQL", since=mark), f"{victim.name} says so", 40)
            run.hold(max(0.0, run.options.outage - (time.monotonic() - began)))
            run.fired += 1
            system.network.heal()
            everywhere(run, time.monotonic())
            run.until(lambda: not system.unready(), "all hosts are well again", 90)


def _both(host: Place, server: Place) -> None:
    host.drop(server)
    server.drop(host)


def _deaf(host: Place, server: Place) -> None:
    host.drop(server)


def _mute(host: Place, server: Place) -> None:
    server.drop(host)


@fault("cut-from-kafka", "a host is cut from all brokers: the others take its partitions")
def cut_from_kafka(run: Run) -> None:
    _hurt(run, _kafka(system_of(run)), _both)


@fault("cut-from-postgres", "a host is cut from both databases")
def cut_from_postgres(run: Run) -> None:
    _hurt(run, _postgres(system_of(run)), _both)


@fault("cut-from-both", "a host is cut from Kafka and PostgreSQL")
def cut_from_both(run: Run) -> None:
    system = system_of(run)
    _hurt(run, [*_kafka(system), *_postgres(system)], _both)


@fault("one-way-kafka", "what a host sends to Kafka does not arrive; then, what Kafka sends to it")
def one_way_kafka(run: Run) -> None:
    _hurt(run, _kafka(system_of(run)), _mute, _deaf)


@fault("one-way-postgres", "what a host sends to PostgreSQL does not arrive; then, what PostgreSQL sends to it")
def one_way_postgres(run: Run) -> None:
    _hurt(run, _postgres(system_of(run)), _mute, _deaf)
