"""The workers embedded-kafka and embedded-postgres: their servers live and die with them, the data stays."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from etld.embedded import choice, postgres, probe
from support.daemon import Daemon
from support.waiting import wait_until

pytestmark = pytest.mark.integration
SCRIPT = Path(__file__).resolve().parents[2] / "support" / "embedded_worker.py"


class Part:
    """One embedded part, run by a process of its own."""

    def __init__(self, kind: str, daemon: Daemon) -> None:
        self.kind = kind
        self.daemon = daemon
        self.env = dict(os.environ)
        self.child: subprocess.Popen[str] | None = None

    def start(self) -> Part:
        """Start it and wait until it says that it is ready."""
        self.child = subprocess.Popen(
            [sys.executable, str(SCRIPT), self.kind, str(self.daemon.config_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.env,
        )
        assert self.child.stdout is not None
        said = []
        for line in self.child.stdout:
            if line == "ready\n":
                return self
            said.append(line)
        raise AssertionError("".join(said))

    def server(self) -> int:
        """The server's process id."""
        assert self.child is not None
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text().split()
        assert len(children) == 1, children
        return int(children[0])

    def kill(self) -> None:
        """SIGKILL the worker, and wait until its server is gone too."""
        assert self.child is not None
        server = self.server()
        self.child.kill()
        self.child.wait()
        wait_until(lambda: not alive(server), 15, f"server {server} of {self.kind} ends with its worker")

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.child is not None
        self.child.terminate()
        return self.child.wait(40)

    def rest(self) -> str:
        """What it says until it ends."""
        assert self.child is not None
        return self.child.communicate(timeout=30)[0]


def alive(pid: int) -> bool:
    """Is there such a process, and is it more than a zombie?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def processes_in(directory: Path) -> list[str]:
    """Command lines that mention a directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = entry.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(directory) in line:
                found.append(line)
    return found


@pytest.fixture
def part(make_daemon: Callable[[], Daemon]) -> Iterator[Callable[[str], Part]]:
    """Makes a Part; ends it after the test."""
    made: list[Part] = []

    def make(kind: str) -> Part:
        made.append(Part(kind, make_daemon()))
        return made[-1]

    yield make
    for each in made:
        if each.child is not None:
            if each.child.poll() is None:
                each.stop()
            if each.child.stdout is not None:
                each.child.stdout.close()
        shutil.rmtree(each.daemon.directory, ignore_errors=True)


@pytest.fixture
def java(kafka_cache: Path) -> None:
    """Skips where Apache Kafka cannot run."""
    if lacks := choice.missing(kafka_cache):
        pytest.skip(f"Apache Kafka needs {lacks}")


def test_postgres_keeps_its_rows(part: Callable[[str], Part]) -> None:
    """Stop and start, then kill -9 of worker, then of the server alone: committed rows are there each time."""
    it = part("embedded-postgres").start()
    with psycopg.connect(it.daemon.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")
    assert it.stop() == 0
    it.start()
    with psycopg.connect(it.daemon.dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO kept VALUES (2)")
    it.kill()
    assert processes_in(it.daemon.state_dir) == []
    it.start()
    os.kill(it.server(), signal.SIGKILL)
    said = it.rest()
    assert "PostgreSQL ended (killed by SIGKILL)" in said
    assert it.child is not None
    assert it.child.returncode == 1
    it.start()
    with psycopg.connect(it.daemon.dsn) as connection:
        assert connection.execute("SELECT n FROM kept ORDER BY 1").fetchall() == [(1,), (2,)]


def test_postgres_asks_for_its_password(part: Callable[[str], Part]) -> None:
    """Loopback only, a password only its owner can read, and none at all is refused."""
    it = part("embedded-postgres").start()
    passfile = it.daemon.state_dir / "postgres.pass"
    assert passfile.stat().st_mode & 0o777 == 0o600
    port = it.daemon.settings()["postgres"]["embedded_port"]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://etld@127.0.0.1:{port}/etld?passfile=/dev/null")
    assert listeners(it.server()) == {"0100007F"}


def test_postgres_makes_a_lost_password_anew(part: Callable[[str], Part]) -> None:
    """Without the passfile the data is still there, under a new password."""
    it = part("embedded-postgres").start()
    passfile = it.daemon.state_dir / "postgres.pass"
    old = passfile.read_text()
    it.stop()
    passfile.unlink()
    it.start()
    assert passfile.read_text() != old
    psycopg.connect(it.daemon.dsn).close()


def test_postgres_is_not_fooled_by_a_stale_pid_file(part: Callable[[str], Part]) -> None:
    """The number in postmaster.pid may by now be any other process of this user."""
    it = part("embedded-postgres").start()
    it.stop()
    stale = it.daemon.state_dir / "postgres" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{stale.parent}\n1700000000\n5432\n\n127.0.0.1\n        1         1\nready   \n")
    it.start()
    psycopg.connect(it.daemon.dsn).close()


def test_half_a_cluster_is_made_again(part: Callable[[str], Part]) -> None:
    """A killed initdb leaves nothing that counts as a cluster."""
    it = part("embedded-postgres")
    half = it.daemon.state_dir / "postgres.new"
    half.mkdir(parents=True)
    half.joinpath("PG_VERSION").write_text("18\n")
    it.start()
    psycopg.connect(it.daemon.dsn).close()


def test_kafka_keeps_its_records(part: Callable[[str], Part], java: None) -> None:
    """Stop and start, then kill -9 of the worker: the acknowledged records and the cluster's id stay."""
    it = part("embedded-kafka").start()
    client = it.daemon.kafka_client()
    cluster = cluster_id(client)
    admin = AdminClient(client)
    admin.create_topics([NewTopic("kept", 1)])["kept"].result(20)
    produce(client, b"1")
    assert it.stop() == 0
    it.start()
    produce(client, b"2")
    it.kill()
    assert processes_in(it.daemon.state_dir) == []
    it.start()
    assert consume(client) == [b"1", b"2"]
    assert cluster_id(client) == cluster
    assert listeners(it.server()) == {"0000000000000000FFFF00000100007F"}


def test_kafka_asks_for_its_password(part: Callable[[str], Part], java: None) -> None:
    """On both its ports; the file is its owner's, and so is the broker's own, and no log line has the password."""
    it = part("embedded-kafka")
    it.start()
    state, client = it.daemon.state_dir, it.daemon.kafka_client()
    password = (state / "kafka.pass").read_text().strip()
    assert {path.stat().st_mode & 0o777 for path in (state / "kafka.pass", state / "kafka" / "server.properties")} == {
        0o600
    }
    assert cluster_id(client)
    plain = {name: value for name, value in client.items() if name == "bootstrap.servers"}
    controller = re.search(r"CONTROLLER://([0-9.:]+)", (state / "kafka" / "server.properties").read_text())
    assert controller is not None
    own = {"bootstrap.servers": controller[1]}
    for stranger in (plain, {**client, "sasl.password": "wrong"}, {**client, **own, "sasl.password": "wrong"}, own):
        with pytest.raises(KafkaException):
            cluster_id({**stranger, "log_level": 0}, timeout=3)
    for pid in (it.server(), it.child.pid if it.child else 0):
        assert password not in Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/environ").read_text()
    assert password not in (state / "log" / "kafka.log").read_text()
    assert it.stop() == 0
    assert password not in it.rest()


def test_a_taken_port_is_said_clearly(part: Callable[[str], Part], java: None) -> None:
    """Two brokers on one port: the second names the port and the key."""
    first, second = part("embedded-kafka").start(), part("embedded-kafka")
    port = first.daemon.settings()["kafka"]["embedded_port"]
    second.daemon.configure({"kafka.embedded_port": port})
    with pytest.raises(AssertionError):
        second.start()
    assert second.child is not None
    assert second.child.wait(10) == 78


def test_tansu_serves_where_java_is_missing(part: Callable[[str], Part], tmp_path: Path) -> None:
    """Without java on PATH "auto" is Tansu, with one plain notice; it dies with its worker too."""
    it = part("embedded-kafka")
    it.env["PATH"] = str(tmp_path)
    it.env.pop("JAVA_HOME", None)
    it.start()
    assert Path(f"/proc/{it.server()}/exe").resolve().name == "tansu"
    client = it.daemon.kafka_client()
    admin = AdminClient(client)
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(20)
    produce(client, b"1")
    assert cluster_id(client).startswith("tansu")
    it.kill()


def test_a_frozen_server_gets_no_beat(part: Callable[[str], Part]) -> None:
    """The probe goes through the server: SIGSTOP silences it, SIGCONT brings it back."""
    it = part("embedded-postgres").start()
    port = it.daemon.settings()["postgres"]["embedded_port"]
    server = it.server()
    assert probe.postgres(port, postgres.USER, "postgres")
    os.kill(server, signal.SIGSTOP)
    try:
        assert not probe.postgres(port, postgres.USER, "postgres", timeout=0.3)
    finally:
        os.kill(server, signal.SIGCONT)
    assert probe.postgres(port, postgres.USER, "postgres")


def listeners(pid: int) -> set[str]:
    """The local addresses, in the kernel's hex, on which a process listens for TCP."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found = re.fullmatch(r"socket:\[(\d+)\]", str(Path(entry).readlink()))
        except OSError:
            continue
        if found:
            inodes.add(found.group(1))
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes}


def cluster_id(client: dict[str, Any], timeout: float = 20) -> str:
    """The broker's cluster id."""
    return str(AdminClient(client).list_topics(timeout=timeout).cluster_id)


def produce(client: dict[str, Any], value: bytes) -> None:
    """Write one record to the topic `kept`, acknowledged."""
    failed: list[object] = []
    producer = Producer({**client, "acks": "all"})
    producer.produce("kept", value, on_delivery=lambda error, _message: failed.append(error))
    assert producer.flush(20) == 0
    assert failed == [None]


def consume(client: dict[str, Any]) -> list[bytes]:
    """All records of the topic `kept`."""
    consumer = Consumer({**client, "group.id": "test", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition("kept", 0, 0)])
        high = consumer.get_watermark_offsets(TopicPartition("kept", 0), timeout=20)[1]
        values: list[bytes] = []
        while len(values) < high:
            message = consumer.poll(20)
            assert message is not None
            assert message.error() is None
            values.append(message.value() or b"")
        return values
    finally:
        consumer.close()
