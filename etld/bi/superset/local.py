"""A Superset beside the daemon: in a virtual environment of its own, its metadata in the embedded PostgreSQL.

It is no worker of the daemon: a tool for looking at numbers must not weigh on what stores them, nor end with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etld.errors import EtldError, PortTaken
from etld.util.files import locked, write_atomically
from etld.util.ports import LOOPBACK, is_free

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Progress = Callable[[str], None]

#: Its database for what it keeps itself, and who administers it.
DATABASE, ADMIN = "superset", "admin"
_REQUIREMENTS = Path(__file__).with_name("requirements.txt")
#: The newest Python that Superset's packages are made for.
_NEWEST = (3, 12)
_READY_SECONDS, _STOP_SECONDS = 90.0, 15.0
_SETTINGS = '''"""Written by `etld bi up`, anew each time."""

SQLALCHEMY_DATABASE_URI = {metadata!r}
SECRET_KEY = {key!r}
FEATURE_FLAGS = {{"CHART_PLUGINS_EXPERIMENTAL": True}}
RATELIMIT_STORAGE_URI = "memory://"
SQLALCHEMY_ENGINE_OPTIONS = {{"pool_size": 5, "max_overflow": 5, "pool_pre_ping": True}}
'''


@dataclass(frozen=True, slots=True)
class LocalSuperset:
    """One daemon's. `directory` holds its settings and passwords, `cache` its packages, for every etld of this user."""

    directory: Path
    cache: Path
    log: Path
    port: int

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def admin_password_file(self) -> Path:
        """Holds the password of the user `ADMIN`."""
        return self.directory / "admin.pass"

    def prepare(self, metadata: str, say: Progress) -> None:
        """Install it, write its settings, and make its tables, where that is not done. Raises `EtldError`.

        `metadata` is the address of its own database, as SQLAlchemy writes it.
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._install(say)
        for name in ("secret.key", "admin.pass"):
            if not (self.directory / name).exists():
                write_atomically(self.directory / name, f"{secrets.token_urlsafe(24)}\n".encode())
        settings = _SETTINGS.format(metadata=metadata, key=self._secret("secret.key"))
        if self._settings_file.exists() and self._settings_file.read_text() != settings:
            self.stop()
        write_atomically(self._settings_file, settings.encode())
        marker = self.directory / "tables-of"
        if marker.exists() and marker.read_text() == f"{_version()}\n":
            return
        say("Making Superset's tables (half a minute)")
        self._superset("db", "upgrade")
        admin = ("--username", ADMIN, "--firstname", "etld", "--lastname", "admin", "--email", "admin@localhost")
        password = ("--password", self._secret("admin.pass"))
        try:
            self._superset("fab", "create-admin", *admin, *password)
        except EtldError:  # one who was interrupted has made him
            self._superset("fab", "reset-password", *admin[:2], *password)
        self._superset("init")
        write_atomically(marker, f"{_version()}\n".encode())

    def start(self, say: Progress) -> None:
        """Run it until `stop`, unless it runs. Raises `EtldError`."""
        if self._pid() is not None and self._answers():
            return
        self.stop()
        if not is_free(self.port):
            raise PortTaken(f"another program listens on port {self.port}: choose one with --port")
        say(f"Starting Superset on {self.url}")
        server = ["--bind", f"{LOOPBACK}:{self.port}", "--pid", str(self._pid_file), "--timeout", "120"]
        workers = ["--workers", "1", "--worker-class", "gthread", "--threads", "8"]
        command = [self._program("gunicorn"), *server, *workers, "superset.app:create_app()"]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as out:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=self._environment(),
                start_new_session=True,
            )
        until = time.monotonic() + _READY_SECONDS
        while not self._answers():
            if child.poll() is not None or time.monotonic() > until:
                self.stop()
                raise EtldError(f"Superset does not start: see {self.log}", code="ETLD-B004")
            time.sleep(0.2)

    def stop(self) -> bool:
        """End it; did it run?"""
        pid = self._pid()
        if pid is None:
            return False
        until = time.monotonic() + _STOP_SECONDS
        number = signal.SIGTERM
        while self._pid() == pid:
            if time.monotonic() > until:
                number = signal.SIGKILL
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            time.sleep(0.2)
        self._pid_file.unlink(missing_ok=True)
        return True

    @property
    def _settings_file(self) -> Path:
        return self.directory / "superset_config.py"

    @property
    def _pid_file(self) -> Path:
        return self.directory / "superset.pid"

    @property
    def _packages(self) -> Path:
        return self.cache / f"superset-{_version()}"

    def _program(self, name: str) -> str:
        return str(self._packages / "bin" / name)

    def _secret(self, name: str) -> str:
        return (self.directory / name).read_text().strip()

    def _environment(self) -> Mapping[str, str]:
        own = {"SUPERSET_CONFIG_PATH": str(self._settings_file), "FLASK_APP": "superset.app:create_app()"}
        # It would ask another host for a picture, to be counted there.
        return {**os.environ, **own, "SCARF_ANALYTICS": "false", "PYTHONWARNINGS": "ignore"}

    def _superset(self, *arguments: str) -> None:
        _run([self._program("superset"), *arguments], self._environment())

    def _install(self, say: Progress) -> None:
        """Into the cache, once for all who have the same list of packages."""
        whole = self._packages / "whole"
        if whole.exists():
            return
        say("Installing Superset (once: some minutes, 830 MB)")
        python, uv = _python(), shutil.which("uv") or shutil.which(Path(sys.executable).with_name("uv"))
        self.cache.mkdir(parents=True, exist_ok=True)
        with locked(self.cache):
            if whole.exists():
                return
            shutil.rmtree(self._packages, ignore_errors=True)
            given = ["--no-deps", "--require-hashes", "-r", str(_REQUIREMENTS)]
            if uv:
                _run([uv, "venv", "--quiet", "--python", python, str(self._packages)])
                _run([uv, "pip", "install", "--quiet", "--python", self._program("python"), *given])
            else:
                _run([python, "-m", "venv", str(self._packages)])
                pip = [self._program("python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
                _run([*pip, "install", *given])
            whole.touch()

    def _pid(self) -> int | None:
        """The process of the pid file, when it is ours."""
        try:
            pid = int(self._pid_file.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if str(self._pid_file).encode() in command else None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:  # noqa: S310  # of our own making
                return bool(answer.status == 200)
        except OSError:
            return False


def _version() -> str:
    """Of all packages: their list, in short."""
    return hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()[:12]


def _python() -> str:
    """A Python that Superset runs on; raises `EtldError`."""
    if sys.version_info[:2] <= _NEWEST:
        return sys.executable
    found = shutil.which("python3.12") or shutil.which("python3.11")
    if found is None:
        raise EtldError(
            "Superset runs on Python 3.11 and 3.12, and there is neither here: install python3.12", code="ETLD-B004"
        )
    return found


def _run(command: list[str], environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode != 0:
        told = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise EtldError(f"{Path(command[0]).name} {command[1]} failed:\n{told}", code="ETLD-B004")
