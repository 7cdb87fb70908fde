"""Fixtures: a real broker, a real database, a whole daemon; each on ports and in directories of its own."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from etld.embedded import choice
from etld.worker.heap import collect_rarely
from support.cluster import Cluster
from support.daemon import Daemon
from support.fuzzing import examples


def pytest_configure() -> None:
    """End as by Ctrl-C when told to end, so that fixtures clean up; an example takes as long as the machine needs."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # What is compiled is kept, whatever the shell says: the tests start thousands of processes, and to compile etld
    # anew takes most of the start of each.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    hypothesis.settings.register_profile("busy", deadline=None, max_examples=examples(25))
    hypothesis.settings.load_profile("busy")


def pytest_collection_finish() -> None:
    """Leave what is loaded to itself, and look for cycles seldom: that takes a fifth of the unit tests' time."""
    collect_rarely()


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory for servers' data, with a path short enough for sockets, removed at the end."""
    path = Path(tempfile.mkdtemp(prefix="etld-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(scratch: Path) -> Iterator[Cluster]:
    """Broker and database server of the whole run, started when a test first needs them."""
    made = Cluster(scratch)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def kafka_cache(cluster: Cluster) -> Path:
    """The cache of Kafka's jars."""
    return cluster.kafka_cache


@pytest.fixture(scope="session")
def kafka(cluster: Cluster) -> str:
    """The address of a real Apache Kafka, shared by the whole run: use topics and groups of your own."""
    lacks = choice.missing(cluster.kafka_cache)
    if lacks:
        pytest.skip(f"Apache Kafka needs {lacks}")
    return cluster.kafka


@pytest.fixture
def database(cluster: Cluster) -> Iterator[str]:
    """The DSN (with passfile) of an empty database of the test's own."""
    with cluster.database() as address:
        yield address


@pytest.fixture(scope="session")
def make_daemon(cluster: Cluster) -> Callable[[], Daemon]:
    """Makes daemons, not started yet (configure() first, then start()); what is left of them ends with the run."""
    return cluster.daemon


@pytest.fixture
def daemon(make_daemon: Callable[[], Daemon]) -> Iterator[Daemon]:
    """A started daemon with embedded parts, for this test alone."""
    with make_daemon().running() as made:
        yield made
