"""Fixtures: a real broker, a real database, a whole daemon; each on ports and in directories of its own."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from etld.embedded import choice, jars
from etld.embedded.kafka import KafkaServer
from etld.embedded.postgres import PostgresServer, dsn
from support.daemon import Daemon
from support.waiting import free_port

_numbers = itertools.count(1)


def pytest_configure() -> None:
    """End as by Ctrl-C when told to end, so that fixtures clean up."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory for servers' data, with a path short enough for sockets, removed at the end."""
    path = Path(tempfile.mkdtemp(prefix="etld-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka_cache(scratch: Path) -> Path:
    """The cache of Kafka's jars."""
    return jars.cache_dir(scratch / "cache")


@pytest.fixture(scope="session")
def kafka(scratch: Path, kafka_cache: Path) -> Iterator[str]:
    """The address of a real Apache Kafka, shared by the whole run: use topics and groups of your own."""
    lacks = choice.missing(kafka_cache)
    if lacks:
        pytest.skip(f"Apache Kafka needs {lacks}")
    server = KafkaServer(scratch / "kafka", free_port(), scratch / "log" / "kafka.log", kafka_cache)
    try:
        server.start()
        server.wait_ready(60)
        yield f"127.0.0.1:{server.port}"
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_server(scratch: Path) -> Iterator[PostgresServer]:
    """A real PostgreSQL 18, shared by the whole run."""
    server = PostgresServer(
        scratch / "postgres", free_port(), scratch / "log" / "postgres.log", scratch / "postgres.pass"
    )
    try:
        server.start()
        server.wait_ready(60)
        server.ensure_database()
        yield server
    finally:
        server.stop()


@pytest.fixture
def database(postgres_server: PostgresServer, scratch: Path) -> Iterator[str]:
    """The DSN (with passfile) of an empty database of the test's own."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    postgres_server.ensure_database(name)
    yield dsn(postgres_server.port, scratch / "postgres.pass", name)
    postgres_server.psql(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def make_daemon(scratch: Path) -> Iterator[Callable[[], Daemon]]:
    """Makes daemons, not started yet (configure() first, then start()); stops them at the end of the run."""
    made: list[Daemon] = []

    def make() -> Daemon:
        daemon = Daemon(scratch / f"d{next(_numbers)}")
        made.append(daemon)
        return daemon

    yield make
    for daemon in made:
        daemon.stop()


@pytest.fixture
def daemon(make_daemon: Callable[[], Daemon]) -> Iterator[Daemon]:
    """A started daemon with embedded parts, for this test alone."""
    with make_daemon().running() as made:
        yield made


@pytest.fixture(scope="session")
def shared_daemon(make_daemon: Callable[[], Daemon]) -> Iterator[Daemon]:
    """A started daemon that tests share: only read from it, or send events and count your own."""
    made = make_daemon()
    try:
        made.start()
        yield made
    finally:
        made.stop()
