"""A broker that freezes: 503 within a second, nothing acknowledged that is not written, ready again by itself."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from etld.embedded.kafka import KafkaServer
from etld.ingest.broker_contact import STALL
from etld.ingest.main import run
from etld.util.ports import free_port
from etld.worker import Addresses
from etld.worker.testing import LocalWorker
from support.events import event
from support.ingest import Ingest, read, running
from support.waiting import wait_until

#: What a 503 may take: the stall, a tick, and this machine's other work.
SOON = STALL + 0.9


class Broker:
    """A broker of a test's own, which can be frozen."""

    def __init__(self, directory: Path, cache: Path) -> None:
        self.server = KafkaServer(directory / "kafka", free_port(), directory / "kafka.log", cache)
        self.address = f"127.0.0.1:{self.server.port}"

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stopped for the length of the block."""
        assert self.server.child is not None
        os.kill(self.server.child.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.server.child.pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, kafka_cache: Path, kafka: str) -> Iterator[Broker]:
    """Apart from the one that all tests share."""
    made = Broker(tmp_path_factory.mktemp("frozen"), kafka_cache)
    made.server.start()
    made.server.wait_ready(60)
    yield made
    made.server.stop()


def ready(ingest: Ingest) -> bool:
    return ingest.request("GET", "/readyz")[0] == 200


class Load:
    """Clients that send as fast as they are answered, and remember what they were told of each event."""

    def __init__(self, port: int, clients: int) -> None:
        self.answers: list[tuple[str, int, float, float]] = []  # id, status, seconds, when
        self.no_retry_after = 0
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        while not self._stop.is_set():
            own = str(uuid4())
            began = time.monotonic()
            connection.request("POST", "/track", json.dumps(event(event_id=own)))
            answer = connection.getresponse()
            document = json.loads(answer.read())
            assert document["event_id"] == own
            now = time.monotonic()
            self.answers.append((own, answer.status, now - began, now))
            if answer.status == 503:
                self.no_retry_after += "Retry-After" not in answer.headers
                self._stop.wait(0.02)
        connection.close()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_under_load(broker: Broker, tmp_path: Path) -> None:
    with running(broker.address, tmp_path / "state") as ingest:
        topic = json.loads(ingest.config.schemas_path.read_text())["event_types"]["purchase"]["topic"]
        load = Load(ingest.port, 16)
        try:
            wait_until(lambda: len(load.answers) > 500, 20)
            with broker.frozen():
                began = time.monotonic()
                wait_until(lambda: sum(status == 503 for _, status, _, _ in list(load.answers)) > 500, 20)
                during = [item for item in load.answers if item[3] > began]
                assert not ready(ingest)
            wait_until(lambda: ready(ingest), 15)
            thawed = len(load.answers)
            wait_until(lambda: sum(status == 200 for _, status, _, _ in load.answers[thawed:]) > 500, 15)
        finally:
            load.stop()
        assert {status for _, status, _, _ in load.answers} == {200, 503}
        assert not load.no_retry_after
        assert max(seconds for _, _, seconds, _ in during) < SOON, "also those that waited when it froze"
        stored = Counter(record.key().decode() for record in read(broker.address, topic))
        assert [own for own, status, _, _ in load.answers if status == 200 and stored[own] != 1] == []
        assert max(stored.values()) == 1


def test_nobody_is_told_ready_before_the_producer_can_produce(broker: Broker, tmp_path: Path) -> None:
    with running(broker.address, tmp_path / "state") as first:
        config = first.config
    with socket.create_server(("127.0.0.1", 0)) as listener:
        worker = LocalWorker(
            config, "ingest", "ingest-0", Addresses("", broker.address, None, "embedded", ""), sockets=[listener]
        )
        with contextlib.ExitStack() as stack:
            with broker.frozen():
                thread = threading.Thread(target=lambda: stack.enter_context(worker.running(run)))
                thread.start()
                wait_until(lambda: worker.metrics.faults.get("kafka"), 30)
                assert not worker.ready_event.is_set()
            thread.join()
            ingest = Ingest(worker, listener.getsockname()[1], config, {})
            assert ingest.post("/track", event())[0] == 200


def test_the_first_request_of_a_level_waits_for_its_producer(broker: Broker, tmp_path: Path) -> None:
    """Its producer is made when it comes, and may take longer than a stall until it can produce."""
    with running(broker.address, tmp_path / "state", ack_per_request="true") as ingest:
        assert ingest.post("/track", event())[0] == 200
        answers: list[int] = []
        with broker.frozen():
            thread = threading.Thread(
                target=lambda: answers.append(ingest.post("/track", event(), X_Etld_Ack="leader")[0])
            )
            thread.start()
            thread.join(STALL + 0.3)
        thread.join()
        assert answers == [200]


def test_an_idle_worker_notices(broker: Broker, tmp_path: Path) -> None:
    with running(broker.address, tmp_path / "state") as ingest:
        wait_until(lambda: ready(ingest), 30)
        with broker.frozen():
            wait_until(lambda: not ready(ingest), 30)
            began = time.monotonic()
            status, headers, body = ingest.request("POST", "/track", event())
            assert status == 503
            assert json.loads(body)["event_id"]
            assert headers["retry-after"]
            assert time.monotonic() - began < SOON
        wait_until(lambda: ready(ingest), 30)
        assert ingest.post("/track", event())[0] == 200
