"""A real Apicurio Registry, as Maven has it: one process that keeps all in memory."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from etld.embedded import jars, process
from etld.util.ports import LOOPBACK, free_port
from support.waiting import wait_until

VERSION = "3.3.3"
#: Set by `make test-registries`.
ASKED_FOR = "ETLD_TEST_REGISTRIES"
_OLDEST_JAVA = 25
_ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_API = "/apis/ccompat/v7"


def missing() -> str:
    """Why there can be none here, or ""."""
    if not os.environ.get(ASKED_FOR):
        return "`make test-registries` runs it (160 MB once)"
    if _java() is None:
        return f"Apicurio {VERSION} needs Java {_OLDEST_JAVA} (JAVA_HOME, or below /usr/lib/jvm)"
    return "" if shutil.which("mvn") else "Apicurio comes by Maven, and there is no mvn"


class Apicurio:
    """`url` is its Confluent-compatible API."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="etld-apicurio-"))
        self._log = self._directory / "log"
        self._address = f"http://{LOOPBACK}:{free_port()}"
        self.url = f"{self._address}{_API}"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Fetch it once, start it, and wait until it answers."""
        host, port = self._address.removeprefix("http://").split(":")
        options = {
            "quarkus.http.host": host,
            "quarkus.http.port": port,
            "quarkus.management.host": host,
            "quarkus.management.port": str(free_port()),
            # Subjects and versions can be taken away, for the next test.
            "apicurio.rest.deletion.artifact.enabled": "true",
        }
        command = [str(_java()), "-Xmx256m", *(f"-D{name}={value}" for name, value in options.items())]
        program = _fetched() / "quarkus-run.jar"
        self._child = process.spawn([*command, "-jar", str(program)], log=self._log, cwd=self._directory)
        wait_until(self._answers, 120, f"Apicurio answers; see {self._log}", interval=0.2)

    def stop(self) -> None:
        """End it, and remove what it left."""
        if self._child is not None:
            process.stop(self._child, [(signal.SIGTERM, 15.0)])
        shutil.rmtree(self._directory, ignore_errors=True)

    def empty(self) -> None:
        """Take every subject away."""
        for subject in self._ask("GET", "/subjects"):
            for permanent in ("", "?permanent=true"):
                with contextlib.suppress(urllib.error.HTTPError):
                    self._ask("DELETE", f"/subjects/{quote(subject, safe='')}{permanent}")
        assert self._ask("GET", "/subjects") == []

    def _answers(self) -> bool:
        assert self._child is not None
        assert self._child.poll() is None, self._log.read_text()[-3000:]
        try:
            return isinstance(self._ask("GET", "/subjects"), list)
        except OSError:
            return False

    def _ask(self, method: str, path: str) -> Any:
        request = urllib.request.Request(self.url + path, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@contextlib.contextmanager
def running() -> Iterator[Apicurio]:
    """One that runs inside the block."""
    made = Apicurio()
    try:
        made.start()
        yield made
    finally:
        made.stop()


def _java() -> str | None:
    homes = [Path(os.environ.get("JAVA_HOME", "/nowhere")), *sorted(Path("/usr/lib/jvm").glob("*"))]
    for home in homes:
        found = home / "release"
        said = found.read_text() if found.is_file() else ""
        version = said.partition('JAVA_VERSION="')[2].partition('"')[0].partition(".")[0]
        if version.isdigit() and int(version) >= _OLDEST_JAVA:
            return str(home / "bin" / "java")
    return None


def _fetched() -> Path:
    cache = jars.cache_dir(Path(tempfile.gettempdir()))
    target = cache / f"test-apicurio-{VERSION}"
    if not target.is_dir():
        with tempfile.TemporaryDirectory(dir=cache) as work:
            copied = [f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={work}"]
            process.run(["mvn", "-B", "-q", _PLUGIN, *copied])
            (archive,) = Path(work).glob("*.tar.gz")
            with tarfile.open(archive) as packed:
                packed.extractall(Path(work, "app"), filter="data")
            Path(work, "app").rename(target)
    return target
