"""The jars of Apache Kafka in the user's cache, and how Maven puts them there."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from etld.embedded import process
from etld.errors import EtldError

_POM = Path(__file__).with_name("pom.xml")
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

Progress = Callable[[str], None]


def version() -> str:
    """The version of Apache Kafka in the pom."""
    found = re.search(r"<kafka\.version>([^<]+)<", _POM.read_text())
    assert found is not None
    return found.group(1)


def cache_dir(fallback: Path) -> Path:
    """$XDG_CACHE_HOME/etld, else $HOME/.cache/etld, else (neither set, or not writable) `fallback`."""
    xdg, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", "")
    wanted = Path(xdg) if xdg else Path(home, ".cache") if home else None
    if wanted is not None and wanted.is_absolute():
        path = wanted / "etld"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError:
            return fallback
        if os.access(path, os.W_OK | os.X_OK):
            return path
    return fallback


def directory(cache: Path) -> Path:
    """Where the jars are, or would be; a name for each version of the pom."""
    return cache / f"kafka-{version()}-{hashlib.sha256(_POM.read_bytes()).hexdigest()[:8]}"


def maven() -> str | None:
    """The mvn program, if there is one."""
    return shutil.which("mvn")


def fetch(cache: Path, progress: Progress = lambda _said: None) -> Path:
    """The directory of the jars, downloaded first when it is not there yet.

    `progress` is called several times a second with what is going on. One process at a time
    downloads; the others wait for it. Raises EtldError.
    """
    target = directory(cache)
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "kafka.lock", progress):
        if not target.is_dir():
            work = Path(tempfile.mkdtemp(prefix="kafka-", dir=cache))
            try:
                _copy_dependencies(work, progress)
                work.joinpath("libs").rename(target)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return target


def _copy_dependencies(work: Path, progress: Progress) -> None:
    program = maven()
    if program is None:
        raise EtldError("cannot fetch Apache Kafka: Maven (mvn) is not on PATH", code="ETLD-K014")
    shutil.copy(_POM, work / "pom.xml")
    libs, log = work / "libs", work / "mvn.log"
    command = [
        program,
        "-B",
        "-f",
        str(work / "pom.xml"),
        _PLUGIN,
        "-DincludeScope=runtime",
        f"-DoutputDirectory={libs}",
    ]
    if not _own_repository_works():
        command.append(f"-Dmaven.repo.local={work / 'm2'}")
    child = process.spawn(command, log=log, cwd=work)
    try:
        while child.poll() is None:
            progress(f"fetching Apache Kafka {version()}: {_downloaded(log)}")
            time.sleep(0.2)
    finally:
        process.stop(child, [])
    if child.returncode != 0 or not libs.is_dir():
        raise EtldError(f"Maven could not fetch Apache Kafka {version()}: {_reason(log)}", code="ETLD-K014")


def _downloaded(log: Path) -> str:
    done = sum(line.startswith(b"Downloaded") and b".jar" in line for line in _lines(log))
    return f"{done} files so far" if done else "asking Maven"


def _reason(log: Path) -> str:
    errors = [line.decode(errors="replace").strip() for line in _lines(log) if line.startswith(b"[ERROR]")]
    return errors[0].removeprefix("[ERROR]").strip() if errors else process.tail(log)


def _lines(log: Path) -> list[bytes]:
    """Maven's lines, without the colour codes that some versions write even to a file."""
    try:
        return [
            re.sub(rb"\x1b\[[0-9;]*m", b"", line).removeprefix(b"[INFO] ") for line in log.read_bytes().splitlines()
        ]
    except FileNotFoundError:
        return []


def _own_repository_works() -> bool:
    """Whether Maven can use its usual place: Java takes the home from the user database, not from $HOME."""
    try:
        home = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return False
    there = Path(home, ".m2", "repository")
    while not there.exists():
        there = there.parent
    return os.access(there, os.W_OK | os.X_OK)


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                progress("another process is fetching Apache Kafka")
                time.sleep(0.2)
        yield
