"""Which broker is chosen."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from etld.embedded import choice, java


def config(tmp_path: Path, broker: str) -> Any:
    """As much of a configuration as the choice looks at."""
    return SimpleNamespace(kafka=SimpleNamespace(embedded_broker=broker), state_dir=tmp_path)


def fake_java(tmp_path: Path, version: str) -> Path:
    """A Java home whose `release` file tells a version."""
    home = tmp_path / f"jdk-{version}"
    home.joinpath("bin").mkdir(parents=True)
    home.joinpath("release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    home.joinpath("bin/java").write_text("#!/bin/sh\n")
    home.joinpath("bin/java").chmod(0o755)
    return home


@pytest.mark.parametrize(
    ("version", "maven", "expected"),
    [
        ("17.0.15", True, "kafka"),
        ("25.0.3", True, "kafka"),
        ("11.0.2", True, "tansu"),
        ("1.8.0_392", True, "tansu"),
        ("17.0.15", False, "tansu"),
        (None, True, "tansu"),
    ],
)
def test_auto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None, maven: bool, expected: str) -> None:
    """Apache Kafka needs Java 17 and Maven."""
    folders = [tmp_path / "mvn"]
    folders[0].mkdir()
    if maven:
        folders[0].joinpath("mvn").write_text("#!/bin/sh\n")
        folders[0].joinpath("mvn").chmod(0o755)
    if version:
        folders.append(fake_java(tmp_path, version) / "bin")
    monkeypatch.setenv("PATH", ":".join(map(str, folders)))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert choice.choose(config(tmp_path, "auto")) == expected
    assert choice.choose(config(tmp_path, "kafka")) == "kafka"
    assert choice.choose(config(tmp_path, "tansu")) == "tansu"


def test_java_home_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Java that is not on PATH is found by JAVA_HOME."""
    home = fake_java(tmp_path, "21.0.1")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java.find() == str(home / "bin" / "java")


def test_the_notice_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who did not ask for Tansu reads why it runs."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert choice.notice(config(tmp_path, "auto")).startswith("Java 17 or newer was not found: ")
    assert choice.notice(config(tmp_path, "tansu")).startswith("the embedded broker is Tansu")
