"""Kafka brokers of a system's own: one or three, each behind a fault proxy."""

from __future__ import annotations

import base64
import signal
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from etld.embedded import jars, process
from etld.embedded.kafka import SETTINGS, KafkaServer, environment, escaped
from etld.embedded.server import Tick
from etld.util.ports import free_port
from faults.proxy import Proxy
from support.waiting import wait_until

# Later lines of a properties file win. A broker that is only slow shall not lose its session.
_MORE = """\
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}
default.replication.factor={copies}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={copies}
transaction.state.log.replication.factor={copies}
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""


class Broker(KafkaServer):
    """One node, reached by clients and by the other brokers through `proxy`."""

    def __init__(self, home: Path, log: Path, cache: Path, node: int) -> None:
        super().__init__(home, free_port(), log, cache)
        self.node = node
        self.controller = free_port()
        self.proxy = Proxy(self.port)
        self.cluster = ""
        self.more = ""

    def prepare(self, tick: Tick) -> None:
        """Fetch the jars, write the settings, format the storage once, for the cluster of all."""
        jars.fetch(self._cache, tick)
        self._data.mkdir(parents=True, exist_ok=True)
        base = SETTINGS.format(port=self.port, controller_port=self.controller, data=escaped(self._data))
        self._settings.write_text(base + self.more)
        if not self._data.joinpath("meta.properties").is_file():
            arguments = ("format", "-t", self.cluster, "-c", str(self._settings))
            process.run(self._java("kafka.tools.StorageTool", *arguments), env=environment())


class Brokers:
    """A cluster of `count`; every topic has a copy on each of them."""

    def __init__(self, directory: Path, count: int) -> None:
        cache = jars.cache_dir(directory / "cache")
        self.brokers = [
            Broker(directory / f"kafka-{node}", directory / f"kafka-{node}.log", cache, node)
            for node in range(1, count + 1)
        ]
        voters = ",".join(f"{one.node}@127.0.0.1:{one.controller}" for one in self.brokers)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        for one in self.brokers:
            one.cluster = cluster
            one.more = _MORE.format(
                node=one.node,
                voters=voters,
                port=one.port,
                controller=one.controller,
                advertised=one.proxy.port,
                copies=count,
                in_sync=min(2, count),
            )

    @property
    def address(self) -> str:
        """For clients: all of them, through the proxies."""
        return ",".join(f"127.0.0.1:{one.proxy.port}" for one in self.brokers)

    @property
    def proxies(self) -> list[Proxy]:
        """The ways to them."""
        return [one.proxy for one in self.brokers]

    def start(self) -> None:
        """Start those that do not run, and wait until all are there."""
        for one in self.brokers:
            if one.child is None or one.child.poll() is not None:
                one.start()
        for one in self.brokers:
            one.wait_ready(90)
        admin = self._admin()

        def all_there() -> bool:
            try:
                return len(admin.list_topics(timeout=5).brokers) == len(self.brokers)
            except KafkaException:
                return False

        wait_until(all_there, 60, "all brokers are there")

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.address, "log_level": 0})

    def stop(self) -> None:
        """End them."""
        for one in self.brokers:
            one.stop()
            one.proxy.close()

    def heal(self) -> None:
        """The ways are whole, and every broker runs."""
        for proxy in self.proxies:
            proxy.heal()
        self.start()

    def kill(self, node: int) -> None:
        """Kill -9 of one."""
        child = self.brokers[node - 1].child
        assert child is not None
        child.send_signal(signal.SIGKILL)
        child.wait(30)

    def leader(self, topic: str, part: int) -> tuple[int, int]:
        """(leader, copies in sync) of a partition; (-1, 0) while nobody says."""
        try:
            found = self._admin().list_topics(topic, timeout=3)
        except Exception:  # no broker answers: nobody leads
            return -1, 0
        seen = found.topics[topic].partitions.get(part)
        return (-1, 0) if seen is None else (int(seen.leader), len(seen.isrs))
