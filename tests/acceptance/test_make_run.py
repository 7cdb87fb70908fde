"""`make run` and `make stop` in a copy of the project, with Kafka and without Java."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from etld.embedded import choice
from etld.util.ports import free_port

pytestmark = [pytest.mark.integration, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
_PARTS = ("Makefile", "pyproject.toml", "constraints.txt", "deploy", "config", "schemas", "etld")


class Copy:
    """A copy of the project that runs from the environment of these tests, on ports of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in _PARTS:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, directory / name)
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("ETLD_", "MAKE"))}
        self.env |= {
            "PYTHONPATH": str(directory),
            "ETLD_INGEST__PORT": str(free_port()),
            "ETLD_CONSOLE__PORT": str(free_port()),
            "ETLD_KAFKA__EMBEDDED_PORT": str(free_port()),
            "ETLD_POSTGRES__EMBEDDED_PORT": str(free_port()),
        }

    def make(self, target: str) -> str:
        """`make TARGET`, which has to succeed; what it prints. Installing is left out."""
        done = subprocess.run(
            ["make", "-o", "setup", target, f"VENV={sys.prefix}"],
            cwd=self.directory,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stdout + self.log()
        return done.stdout

    def log(self) -> str:
        """The end of the daemon's log."""
        try:
            return "\n".join(self.directory.joinpath("var/log/etld.log").read_text().splitlines()[-40:])
        except FileNotFoundError:
            return ""


@pytest.fixture
def copy() -> Iterator[Copy]:
    """A copy, stopped and removed at the end."""
    directory = Path(tempfile.mkdtemp(prefix="etld-run-"))
    made = Copy(directory)
    try:
        yield made
    finally:
        subprocess.run(
            [f"{sys.prefix}/bin/etld", "stop"],
            cwd=directory,
            env=made.env,
            capture_output=True,
            timeout=90,
            check=False,
        )
        shutil.rmtree(directory, ignore_errors=True)


def counts(printed: str) -> dict[str, int]:
    """The rows by event type and name, as printed after "Rows in processed_events"."""
    _before, _, after = printed.partition("Rows in processed_events by event_type")
    return {
        name: int(number.replace(",", "")) for name, number in re.findall(r"^  (\w+) +([\d,]+)$", after, re.MULTILINE)
    }


def left_behind(directory: Path) -> list[str]:
    """Command lines of processes that work in a directory, or mention it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = entry.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(directory) in line or str(Path(entry, "cwd").readlink()).startswith(str(directory)):
                    found.append(line)
            except OSError:
                continue
    return found


def test_make_run_twice(copy: Copy, kafka_cache: Path) -> None:
    """600 rows with three charts, then 1,200; make stop leaves no process."""
    if lacks := choice.missing(kafka_cache):
        pytest.skip(f"Apache Kafka needs {lacks}")
    first = copy.make("run")
    assert counts(first)["total"] == 600
    assert [counts(first)[name] for name in ("purchase", "order", "delivery")] == [200, 200, 200]
    charts = re.findall(r"^  (\S+\.png)$", first, re.MULTILINE)
    assert len(charts) == 3
    assert all(copy.directory.joinpath(chart).read_bytes().startswith(b"\x89PNG") for chart in charts)
    assert copy.env["ETLD_INGEST__PORT"] in first
    assert f"http://127.0.0.1:{copy.env['ETLD_CONSOLE__PORT']}" in first
    assert "etld stop" in first
    assert counts(copy.make("run"))["total"] == 1200
    assert "Tansu" not in copy.log()
    copy.make("stop")
    assert left_behind(copy.directory) == []


def test_make_run_without_java(copy: Copy, tmp_path: Path) -> None:
    """Without java on PATH, and without HOME, Tansu is the broker; it forgets its topics, etld not its rows."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in Path(folder).glob("*") if Path(folder).is_dir() else ():
            if not program.name.startswith("java") and not tools.joinpath(program.name).is_symlink():
                tools.joinpath(program.name).symlink_to(program)
    copy.env["PATH"] = str(tools)
    for name in ("JAVA_HOME", "HOME", "XDG_CACHE_HOME"):
        copy.env.pop(name, None)
    first = copy.make("run")
    assert counts(first)["total"] == 600
    assert "Java 17 or newer was not found" in first
    assert "in memory only" in first
    copy.make("stop")
    assert left_behind(copy.directory) == []
    assert counts(copy.make("run"))["total"] == 1200
