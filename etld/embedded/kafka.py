"""Apache Kafka as one process: KRaft, broker and controller in one, on loopback only."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from etld.embedded import jars, java, probe, process
from etld.embedded.archive import ClassArchive
from etld.embedded.server import EmbeddedServer, Tick
from etld.errors import EtldError
from etld.util.files import write_atomically
from etld.util.ports import free_port
from etld.worker import KAFKA_USER

_LOG4J = Path(__file__).with_name("log4j2.xml")
_JVM = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
)
# A JVM that SIGTERM ends says 143.
_ENDED_WELL = (0, 143)
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=250
broker.session.timeout.ms=1000
log.segment.bytes=134217728
metadata.log.segment.bytes=16777216
num.network.threads=2
num.io.threads=2
background.threads=2
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=16777216
"""
# After those of SETTINGS: later lines of a properties file win. Whoever connects has to say the password, the broker
# itself to its controller too.
_LOGIN = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required"
    ' username="{user}" password="{password}" user_{user}="{password}";'
)
_PROTECTED = """\
listener.security.protocol.map=PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.mechanism.controller.protocol=PLAIN
listener.name.plaintext.plain.sasl.jaas.config={login}
listener.name.controller.plain.sasl.jaas.config={login}
"""


class KafkaServer(EmbeddedServer):
    """One Kafka broker. `home` holds its settings and, in data/, its topics; `password` is what it asks clients for."""

    what = "Apache Kafka"
    port_key = "kafka.embedded_port"
    stop_steps = ((signal.SIGTERM, 12.0),)

    def __init__(self, home: Path, port: int, log: Path, cache: Path, password: str | None = None) -> None:
        super().__init__(port, log)
        self._home = home
        self._data = home / "data"
        self._settings = home / "server.properties"
        self._cache = cache
        self._password = password
        self._archive: ClassArchive | None = None
        self._was_ready = False

    def prepare(self, tick: Tick) -> None:
        """Fetch the jars, write the settings, format the storage once."""
        jars.fetch(self._cache, tick)
        self._data.mkdir(parents=True, exist_ok=True)
        settings = SETTINGS.format(port=self.port, controller_port=free_port(), data=escaped(self._data))
        if self._password is not None:
            settings += _PROTECTED.format(login=_LOGIN.format(user=KAFKA_USER, password=self._password))
        write_atomically(self._settings, settings.encode())
        if not self._data.joinpath("meta.properties").is_file():
            tick("formatting Kafka's storage")
            self._format()

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the broker."""
        self._archive = ClassArchive(self._program(), jars.directory(self._cache))
        return process.spawn(
            self._java("kafka.Kafka", str(self._settings), flags=self._archive.flags()),
            log=self.log,
            cwd=self._home,
            env=environment(),
        )

    def wait_ready(self, timeout: float, tick: Tick = lambda _said: None) -> None:
        """See `EmbeddedServer.wait_ready`."""
        try:
            super().wait_ready(timeout, tick)
        except EtldError:
            if self._archive is not None:
                self._archive.discard()
            raise
        self._was_ready = True
        if self._archive is not None and self.child is not None:
            self._archive.look(self.child.pid)

    def stop(self) -> None:
        """End the broker; the first one with these jars leaves an archive of its classes, which takes seconds."""
        super().stop()
        if self._archive is not None and self.child is not None:
            self._archive.settle(keep=self._was_ready and self.child.returncode in _ENDED_WELL)

    def probe(self) -> bool:
        """Does it answer an ApiVersions request?"""
        return probe.kafka(self.port)

    def cluster_id(self) -> str:
        """The id that the storage was formatted with."""
        text = self._data.joinpath("meta.properties").read_text()
        found = re.search(r"^cluster\.id=(\S+)$", text, re.MULTILINE)
        if found is None:
            raise EtldError(f"{self._data / 'meta.properties'} names no cluster.id", code="ETLD-K015")
        return found.group(1)

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        archive = ClassArchive(self._program(), jars.directory(self._cache))
        # The id in one word: one that begins with a dash would be taken for an option.
        arguments = ("format", f"--cluster-id={cluster}", "-c", str(self._settings))
        command = self._java("kafka.tools.StorageTool", *arguments, flags=archive.reading())
        try:
            process.run(command, env=environment())
        except EtldError:
            archive.discard()
            raise

    def _program(self) -> str:
        program = java.find()
        if program is None:
            raise EtldError(
                f'Apache Kafka needs Java {java.OLDEST} or newer on PATH (or kafka.embedded_broker = "tansu")',
                code="ETLD-K014",
            )
        return program

    def _java(self, main: str, *arguments: str, flags: Sequence[str] = ()) -> list[str]:
        path = jars.directory(self._cache) / "*"
        return [
            self._program(),
            *_JVM,
            *flags,
            f"-Dlog4j2.configurationFile={_LOG4J}",
            "-cp",
            str(path),
            main,
            *arguments,
        ]


def escaped(path: Path) -> str:
    """A path as the value of a Java properties file."""
    return str(path).replace("\\", "\\\\")


def environment() -> dict[str, str]:
    """Without the variables that would change the broker's own JVM."""
    dropped = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")
    return {name: value for name, value in os.environ.items() if name not in dropped}
