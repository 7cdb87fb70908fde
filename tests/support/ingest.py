"""An ingest worker in a thread, in endpoints of a real broker, and what it wrote."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Consumer, TopicPartition

from etld.config import Config, load
from etld.ingest.main import run
from etld.kafka.admin import Admin
from etld.worker import Addresses
from etld.worker.testing import LocalWorker
from support.shared_broker import own_prefix

ROOT = Path(__file__).resolve().parents[2]
TYPES = ("purchase", "order", "delivery")


class Ingest:
    """One running worker and a way to talk to it."""

    def __init__(self, worker: LocalWorker, port: int, config: Config, environment: dict[str, str]) -> None:
        self.worker = worker
        self.port = port
        self.config = config
        self.environment = environment

    @property
    def letters(self) -> str:
        """Its topic of dead letters."""
        return self.config.kafka.dead_letter_topic

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers in lower case, body); anything but bytes is sent as JSON."""
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, data, headers or {})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        """(status, document) of a POST; underscores in header names become dashes."""
        status, _, answer = self.request("POST", path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        return status, json.loads(answer)

    def raw(self, data: bytes, timeout: float = 10.0) -> bytes:
        """Everything that comes back for these bytes, until the server closes or has nothing more to say."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as sock:
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            out = b""
            try:
                while piece := sock.recv(65536):
                    out += piece
            except OSError:
                pass
            return out

    def open(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), 10)


Start = Callable[..., Ingest]


@contextmanager
def running(kafka: str, directory: Path, **settings: str) -> Iterator[Ingest]:
    """A worker on topics of its own, with `[ingest]` settings such as ack="leader"; event_types__order__accept too."""
    prefix = own_prefix()
    environment = {
        f"ETLD_{name if '__' in name else f'ingest__{name}'}".upper(): value for name, value in settings.items()
    }
    environment |= {"ETLD_STATE_DIR": str(directory), "ETLD_KAFKA__PREFIX": prefix}
    config = load(ROOT / "config" / "etld.toml", environment)
    directory.mkdir(parents=True, exist_ok=True)
    types = {}
    admin = Admin({"bootstrap.servers": kafka})
    for number, name in enumerate(TYPES, 1):
        topic = f"{prefix}event_{name}"
        admin.create_topic(topic, 1, 1, {})
        schema = json.loads((ROOT / "schemas" / f"{name}.avsc").read_text())
        types[name] = {"id": number, "topic": topic, "subject": f"{topic}-value", "schema": schema}
    admin.create_topic(config.kafka.dead_letter_topic, 1, 1, {})
    config.schemas_path.write_text(json.dumps({"cluster_id": "test", "event_types": types}))
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    port = listener.getsockname()[1]
    worker = LocalWorker(config, "ingest", "ingest-0", Addresses("", kafka, None, "embedded", ""), sockets=[listener])
    with worker.running(run):
        yield Ingest(worker, port, config, environment)


def read(kafka: str, topic: str) -> list[Any]:
    """Every record of a topic, oldest first; other tests may have made it with several partitions."""
    admin = Admin({"bootstrap.servers": kafka})
    marks = admin.watermarks(topic, range(admin.topics([topic])[topic].partitions))
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "none", "enable.auto.commit": False})
    found: list[Any] = []
    try:
        for partition, (low, high) in marks.items():
            consumer.assign([TopicPartition(topic, partition, low)])
            after = low
            while after < high:
                message = consumer.poll(10)
                assert message is not None
                assert message.error() is None
                found.append(message)
                after = message.offset() + 1
    finally:
        consumer.close()
    return sorted(found, key=lambda message: message.timestamp()[1])
