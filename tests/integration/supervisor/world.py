"""A real daemon with toy workers, in a directory of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from etld.control.client import Connection
from etld.errors import Unreachable

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

CONFIG = """
node_id = "toy"
state_dir = "{state}"
[kafka]
bootstrap_servers = "localhost:1"
[postgres]
dsn = "postgresql://etld@localhost:1/etld"
[ingest]
port = {port}
[event_types.purchase]
schema = "{root}/schemas/purchase.avsc"
[supervisor]
hang_timeout = "1 s"
start_seconds = "1 s"
max_failures = 3
backoff_max = "1 s"
start_timeout = "20 s"
stop_timeout = "9 s"
max_memory = "200 MiB"
"""


def until(condition: Callable[[], Any], seconds: float = 15.0, what: str = "the condition") -> Any:
    """The condition's value once it is true; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def alive(pid: int) -> bool:
    """Is there such a process, and not only its remains?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class World:
    """One configuration, and the daemon that runs with it."""

    def __init__(self, directory: Path, text: str = "") -> None:
        self.state = directory / "var"
        self.port = free_port()
        self.config = directory / "etld.toml"
        self.config.write_text(CONFIG.format(state=self.state, port=self.port, root=ROOT) + text)
        self.process: subprocess.Popen[bytes] | None = None
        self.stderr = directory / "stderr"

    def start(self, kinds: str = "toys:WELL", *, wait: bool = True, **env: str) -> None:
        """Start in the foreground, as systemd would."""
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "etld.supervisor", "--config", str(self.config), "--kinds", kinds],
                env={**os.environ, "PYTHONPATH": str(HERE), **env},
                stdin=subprocess.DEVNULL,
                stderr=stderr,
            )
        if wait:
            until(lambda: self.state_is("ready"), what="ready")

    def daemonize(self, kinds: str = "toys:WELL") -> subprocess.CompletedProcess[str]:
        """Start in the background by the command line's own code."""
        code = (
            "import sys, pathlib; from etld import cli; from etld.supervisor import main, daemonize;"
            f"daemonize.start.__defaults__ = ({kinds!r},); cli.main()"
        )
        return subprocess.run(
            [sys.executable, "-c", code, "--config", str(self.config), "start"],
            env={**os.environ, "PYTHONPATH": str(HERE)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return subprocess.run(
            [sys.executable, "-c", "from etld.cli import main; main()", "--config", str(self.config), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def socket(self) -> Path:
        return self.state / "etld.sock"

    def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        with Connection(self.socket, 60.0) as connection:
            return connection.ask(verb, **arguments)

    def status(self) -> dict[str, Any]:
        return self.ask("status")

    def state_is(self, state: str) -> bool:
        with contextlib.suppress(Unreachable):
            return bool(self.status()["state"] == state)
        return False

    def worker(self, name: str) -> dict[str, Any]:
        return next(worker for worker in self.status()["workers"] if worker["name"] == name)

    def pids(self) -> dict[str, int]:
        return {worker["name"]: worker["pid"] for worker in self.status()["workers"]}

    def said(self, name: str) -> list[str]:
        """What a toy wrote down."""
        path = self.state / f"{name}.said"
        return path.read_text().splitlines() if path.exists() else []

    def log(self) -> list[dict[str, Any]]:
        """The log lines, of whichever way it was started."""
        rows = []
        for path in (self.stderr, self.state / "log" / "etld.log"):
            if path.exists():
                for line in path.read_text().splitlines():
                    with contextlib.suppress(ValueError):
                        rows.append(json.loads(line))
        return rows

    def get(self, timeout: float = 5.0) -> bytes:
        """One HTTP request."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return client.recv(4096)

    def edit(self, old: str, new: str) -> None:
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def stop(self) -> int:
        """Stop the daemon that start() started; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def clean(self) -> None:
        """End whatever is left of it."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.state / "etld.pid").read_text())
            if Path(f"/proc/{pid}/cmdline").exists():
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def world(directory: Path, text: str = "") -> Iterator[World]:
    there = World(directory, text)
    try:
        yield there
    finally:
        there.clean()
