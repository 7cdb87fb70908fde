"""Kafka's class archive: made at the first stop, used from then on, and never a reason not to start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etld.embedded import choice, jars
from etld.embedded.kafka import KafkaServer
from etld.errors import EtldError
from etld.util.ports import free_port

pytestmark = pytest.mark.integration
READY = 60.0


@pytest.fixture
def cache(kafka_cache: Path, tmp_path: Path) -> Path:
    """A cache of its own around the jars that there are; skips where Kafka cannot run."""
    if lacks := choice.missing(kafka_cache):
        pytest.skip(f"Apache Kafka needs {lacks}")
    own = tmp_path / "cache"
    own.mkdir()
    jars.fetch(kafka_cache)
    jars.directory(own).symlink_to(jars.directory(kafka_cache))
    return own


@pytest.fixture
def server(cache: Path, tmp_path: Path) -> Iterator[Callable[[], KafkaServer]]:
    """Makes a broker on the same data; ended after the test."""
    made: list[KafkaServer] = []

    def make() -> KafkaServer:
        home = tmp_path / "kafka"
        made.append(KafkaServer(home, free_port(), tmp_path / "kafka.log", cache))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def archives(cache: Path) -> list[Path]:
    return sorted(path for path in cache.iterdir() if path.is_file())


def uses(server: KafkaServer, archive: Path) -> bool:
    assert server.child is not None
    return str(archive) in Path(f"/proc/{server.child.pid}/maps").read_text()


def test_an_archive_is_made_used_and_survived(cache: Path, server: Callable[[], KafkaServer]) -> None:
    """Good, killed in between, damaged, and cut off: the broker comes up, at the latest at the second try."""
    first = server()
    first.start()
    first.wait_ready(READY)
    assert archives(cache) == []
    first.stop()
    (archive,) = archives(cache)
    assert archive.suffix == ".jsa"

    second = server()
    second.start()
    second.wait_ready(READY)
    assert uses(second, archive)
    assert second.child is not None
    second.child.kill()
    second.stop()
    assert archives(cache) == [archive]

    whole = archive.read_bytes()
    middle = len(whole) // 2
    archive.write_bytes(whole[:middle] + bytes(100_000) + whole[middle + 100_000 :])
    third = server()
    third.start()
    third.wait_ready(READY)
    third.stop()
    assert archives(cache) == []

    archive.write_bytes(whole[: len(whole) // 8])
    fourth = server()
    fourth.start()
    try:
        fourth.wait_ready(READY)
    except EtldError:
        fourth.stop()
        assert archives(cache) == []
        fifth = server()
        fifth.start()
        fifth.wait_ready(READY)


def test_a_broker_that_was_killed_leaves_no_archive(cache: Path, server: Callable[[], KafkaServer]) -> None:
    """Nor one that never was ready: it has not loaded what counts."""
    killed = server()
    killed.start()
    killed.wait_ready(READY)
    assert killed.child is not None
    killed.child.kill()
    killed.stop()
    early = server()
    early.start()
    early.stop()
    assert archives(cache) == []
