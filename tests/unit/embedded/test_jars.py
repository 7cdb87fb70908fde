"""The broker's jars: where they are kept, and what Maven's answers come to (a small script plays Maven)."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from etld.embedded import jars
from etld.errors import EtldError

GOOD = """#!/bin/sh
for word; do case $word in -DoutputDirectory=*) out=${word#*=};; esac; done
mkdir -p "$out" && echo jar > "$out/kafka.jar"
echo run >> "$CALLS"
"""
BAD = """#!/bin/sh
echo "[INFO] Scanning for projects..."
echo "[ERROR] Could not transfer artifact org.apache.kafka:kafka_2.13:jar:1 from/to central"
echo "[ERROR] To see the full stack trace ..."
exit 1
"""


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder on PATH in which a test puts its mvn."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return folder


def put(folder: Path, script: str) -> None:
    """Make the script the mvn of this test."""
    program = folder / "mvn"
    program.write_text(script)
    program.chmod(0o755)


def test_fetched_once_by_many(maven: Path, tmp_path: Path) -> None:
    """Of several that ask at the same time one fetches; all get the whole directory."""
    put(maven, GOOD)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(jars.fetch(tmp_path / "cache"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [jars.directory(tmp_path / "cache")] * 4
    assert [path.name for path in found[0].iterdir()] == ["kafka.jar"]
    assert tmp_path.joinpath("calls").read_text() == "run\n"


def test_mavens_reason_is_told(maven: Path, tmp_path: Path) -> None:
    """A failed download gives Maven's first error, and leaves nothing that looks whole."""
    put(maven, BAD)
    with pytest.raises(EtldError, match=r"could not fetch Apache Kafka [\d.]+: Could not transfer artifact"):
        jars.fetch(tmp_path / "cache")
    assert [path.name for path in tmp_path.joinpath("cache").iterdir()] == ["kafka.lock"]


def test_no_maven(maven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Maven the error says so."""
    monkeypatch.setenv("PATH", str(maven))
    with pytest.raises(EtldError, match="mvn"):
        jars.fetch(tmp_path / "cache")


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME, else HOME, else the state directory; one that cannot be made is passed over."""
    fallback = tmp_path / "state"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert jars.cache_dir(fallback) == tmp_path / "xdg" / "etld"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert jars.cache_dir(fallback) == tmp_path / "home" / ".cache" / "etld"
    monkeypatch.setenv("HOME", "/dev/null")
    assert jars.cache_dir(fallback) == fallback
    monkeypatch.delenv("HOME")
    assert jars.cache_dir(fallback) == fallback
