"""The last release, upgraded to this version and back while requests come, as docs/operating.md says.

`make test-upgrade`.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from support.daemon import Daemon
from support.steady import steady

ROOT = Path(__file__).resolve().parents[2]
#: What stands for the last release where no tag does: the commit before the tables of the lake.
BEFORE_RELEASES = "6641442a655edab3335083ed7ec489414cf775f9"
# Requests a second.
RATE = 200.0

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not os.environ.get("ETLD_TEST_UPGRADE"), reason="upgrades a whole daemon: make test-upgrade"),
]


class Environment:
    """A virtual environment whose etld is replaced as pip replaces it; its libraries are those of these tests."""

    def __init__(self, directory: Path) -> None:
        venv.EnvBuilder(symlinks=True).create(directory)
        (self._packages,) = directory.glob("lib/python*/site-packages")
        # What .pth files there add is not added by this line: the etld under test is that of the wheel.
        self._packages.joinpath("libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
        self.program = directory / "bin" / "etld"
        self.program.write_text(f"#!{directory}/bin/python\nimport sys\nfrom etld.cli import main\nsys.exit(main())\n")
        self.program.chmod(0o755)

    def install(self, wheel: Path) -> None:
        """Put the etld of a wheel in the place of the one that is there."""
        for former in self._packages.glob("etld*"):
            shutil.rmtree(former)
        zipfile.ZipFile(wheel).extractall(self._packages)

    def migrations(self) -> int:
        """The number of the last one that the etld here knows."""
        return max(int(path.name[:4]) for path in self._packages.glob("etld/postgres/migrations/*.sql"))


def _wheel(source: Path, directory: Path) -> Path:
    """The wheel of a directory with the source of some version."""
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, directory], cwd=source, check=True, capture_output=True)
    (made,) = directory.glob("*.whl")
    return made


def _git(*arguments: str) -> bytes | None:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


@pytest.fixture
def older_source(tmp_path: Path) -> Path:
    """What was released last."""
    tag = _git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^")
    released = tag.decode().strip() if tag else BEFORE_RELEASES
    archive = _git("archive", released)
    if archive is None:
        pytest.skip(f"the history of the project as far as {released} is not here")
    directory = tmp_path / "older"
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(directory, filter="data")
    return directory


@pytest.fixture
def wheels(older_source: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The older version's, and this one's."""
    older, newer = tmp_path / "older-wheel", tmp_path / "newer-wheel"
    older.mkdir()
    subprocess.run([sys.executable, ROOT / "deploy/dist.py", newer], check=True, capture_output=True)
    (made,) = newer.glob("*.whl")
    return _wheel(older_source, older), made


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "environment")


@pytest.fixture
def older(
    make_daemon: Callable[[], Daemon], older_source: Path, wheels: tuple[Path, Path], environment: Environment
) -> Iterator[Daemon]:
    """A daemon of the older version, with the configuration that it came with."""
    environment.install(wheels[0])
    daemon = make_daemon()
    daemon.program = environment.program
    own, shipped = daemon.settings(), tomllib.loads((older_source / "config/etld.toml").read_text())
    for table, key in (
        ("kafka", "embedded_port"),
        ("postgres", "embedded_port"),
        ("ingest", "port"),
        ("console", "enabled"),
    ):
        shipped[table][key] = own[table][key]
    daemon.write(shipped)
    with daemon.running():
        yield daemon


def _database(daemon: Daemon) -> tuple[int, int]:
    """The number of its last migration, and of its events."""
    with psycopg.connect(daemon.dsn) as connection:
        query = "SELECT (SELECT max(number) FROM etld.migration), (SELECT count(*) FROM processed_events)"
        number, events = connection.execute(query).fetchall()[0]
    return number, events


def test_an_upgrade_and_back(older: Daemon, wheels: tuple[Path, Path], environment: Environment) -> None:
    """Every request is answered with 200 and every event stored once, by whichever version is at work."""
    with steady(older.http, RATE) as result:
        for wheel in (wheels[1], wheels[0], wheels[1]):
            environment.install(wheel)
            said = older.cli("restart").stdout
            assert said.startswith("restarted as etld "), said
            assert older.status()["state"] == "ready"
    assert (result.failures, result.accepted) == ({}, result.sent)
    assert result.sent > RATE * 5
    found = older.json("reconcile", "--wait", "60")
    assert found["ok"], found["differences"]
    assert _database(older) == (environment.migrations(), result.accepted)
