"""Former primaries of PostgreSQL are known by the timelines that this host has seen."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from etld.sinks.base import SinkError
from etld.sinks.postgres.seen_timelines import SeenTimelines


class Server:
    """Answers as one that writes a timeline of a cluster."""

    def __init__(self, timeline: int, cluster: str = "7") -> None:
        self.row = (timeline, cluster)
        self.info = SimpleNamespace(host="former.invalid", port=5432)

    def execute(self, _query: object) -> Server:
        return self

    def fetchone(self) -> tuple[int, str]:
        return self.row


def check(path: Path | None, server: Any) -> None:
    """As a worker that has just begun."""
    SeenTimelines(path).check(server)


def test_who_has_seen_a_newer_timeline_writes_nothing_to_an_older_one(tmp_path: Path) -> None:
    """Nor do other workers of its host; the message says how to go on where that is wrong."""
    path = tmp_path / "timelines.json"
    check(path, Server(1))
    check(path, Server(2))
    check(path, Server(2))
    with pytest.raises(SinkError, match=r"former primary.* timeline 1, .* seen timeline 2") as refused:
        check(path, Server(1))
    assert refused.value.verdict == "stop"
    assert f"remove {path}" in str(refused.value)
    path.unlink()
    check(path, Server(1))


def test_another_cluster_counts_for_itself(tmp_path: Path) -> None:
    """After a dump was restored elsewhere; and so does a server that does not tell."""
    path = tmp_path / "timelines.json"
    check(path, Server(5))
    check(path, Server(1, "another"))
    check(path, Server(1, ""))
    check(path, Server(0))
    with pytest.raises(SinkError):
        check(path, Server(4))


def test_a_broken_file_counts_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "timelines.json"
    path.write_text("[1")
    check(path, Server(1))
    check(path, Server(2))
    with pytest.raises(SinkError):
        check(path, Server(1))
