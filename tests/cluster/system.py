"""A whole cluster to hurt: hosts with an etld each, three brokers, a primary and its standby, one network."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from cluster.brokers import ADMIN, SecuredBrokers
from cluster.databases import Databases
from cluster.hosts import Host
from cluster.network import Network
from faults.system import System, not_ready

BROKERS = 3
#: A consumer group, a topic, a partition.
Part = tuple[str, str, int]


class ClusterSystem(System):
    """`members` are the hosts that work; `clocks` are the seconds that each one's clock is off, where they are."""

    def __init__(
        self, changes: dict[str, Any] | None = None, *, hosts: int = 2, clocks: Sequence[int] | None = None
    ) -> None:
        super().__init__(changes, external=False)
        self._hosts = hosts
        self._clocks = clocks
        self._network: Network | None = None
        self._databases: Databases | None = None
        self.hosts: list[Host] = []
        self.members: list[Host] = []

    def start(self) -> None:
        """The network, then the servers, then all hosts at once."""
        self._network = Network()
        self.secured = SecuredBrokers(self.network, self.directory, BROKERS)
        self._brokers = self.secured
        self._databases = Databases(self.network, self.directory)
        for one in self.secured.secured:
            one.start()
        self.databases.start()
        self.secured.start()
        self.secured.allow()
        self._changes |= {**self.secured.settings(), "postgres.dsn": self.databases.dsn}
        for number in range(self._hosts):
            self.add(clock=None if self._clocks is None else self._clocks[number])
        for host in self.hosts:
            host.daemon.launch()
        for host in self.hosts:
            host.daemon.wait_ready()
        self.members = list(self.hosts)
        self.daemon = self.hosts[0].daemon

    def add(self, *, clock: int | None = None) -> Host:
        """One more host, which is not started."""
        host = Host(self.network.place(f"h{len(self.hosts) + 1}"), self.directory, clock=clock is not None)
        host.configure(self._changes)
        if host.clock is not None:
            host.clock.shift(clock or 0)
        self.hosts.append(host)
        return host

    @property
    def network(self) -> Network:
        """What connects them."""
        assert self._network is not None
        return self._network

    @property
    def databases(self) -> Databases:
        """The primary and its standby."""
        assert self._databases is not None
        return self._databases

    @property
    def urls(self) -> list[str]:
        """Ingest of every host that works; of all while none does."""
        return [host.daemon.http for host in self.members if not host.dark] or [self.daemon.http]

    @property
    def dsn(self) -> str:
        """The database that counts."""
        return self.databases.primary.dsn_of()

    def kafka_client(self, **more: Any) -> dict[str, Any]:
        """As the administrator."""
        return self.secured.client(ADMIN) | {name.replace("_", "."): value for name, value in more.items()}

    def positions(self) -> dict[Part, int]:
        """How far processors and aggregators are, by partition; {} while the database does not answer."""
        try:
            rows = self.sql(
                "SELECT consumer_group, topic, partition, next_offset FROM etld.kafka_position"
                " WHERE consumer_group NOT LIKE '%corrector'"
            )
        except psycopg.Error:
            return {}
        return {(group, topic, part): offset for group, topic, part, offset in rows}

    def partitions_of(self, host: Host) -> int:
        """Positions whose owner is a worker of this host."""
        return int(self.sql("SELECT count(*) FROM etld.kafka_position WHERE owner LIKE %s", (f"{host.name}/%",))[0][0])

    def unready(self) -> list[str]:
        """Why a host that works is not ready."""
        return [f"{host.name}: {why}" for host in self.members for why in not_ready(host.daemon.status())]

    def heal(self) -> None:
        """Every wire is whole, every server and every member runs."""
        self.network.heal()
        self.databases.heal()
        self.secured.heal()
        for host in self.members:
            if host.runs():
                host.thaw()
            else:
                host.start()

    def stop(self, keep_logs: Path | None = None) -> None:
        """End everything at once; with `keep_logs` the logs are copied there."""
        if self._network is not None:
            for name, place in self.network.places.items():
                if not name.startswith("db"):
                    place.signal(signal.SIGKILL)
            for server in () if self._databases is None else self._databases.servers:
                server.stop()
            self.network.remove()
        if keep_logs is not None:
            self.save_logs(keep_logs)
        shutil.rmtree(self.directory, ignore_errors=True)

    def save_logs(self, to: Path) -> None:
        """Copy the logs there, by the name of the host or the server."""
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir(parents=True)
        for log in self.directory.glob("*.log"):
            shutil.copy(log, to)
        for host in self.hosts:
            for log in host.daemon.state_dir.glob("log/*.log"):
                shutil.copy(log, to / f"{host.name}-{log.name}")
