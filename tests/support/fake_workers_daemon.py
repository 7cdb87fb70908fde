"""A real daemon with fake workers (support/fake_workers.py), in a directory of its own: no broker, no database."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etld.control.client import ControlConnection
from etld.errors import Unreachable
from etld.util.ports import free_port
from support import warm_cli
from support.waiting import wait_until

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
WELL = "support.fake_workers:WELL"

CONFIG = """
node_id = "fake"
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


class FakeWorkersDaemon:
    """One configuration, and the daemon that runs with it."""

    def __init__(self, directory: Path, text: str = "") -> None:
        self.state = directory / "var"
        self.port = free_port()
        self.config = directory / "etld.toml"
        self.config.write_text(CONFIG.format(state=self.state, port=self.port, root=ROOT) + text)
        self.process: subprocess.Popen[bytes] | None = None
        self.stderr = directory / "stderr"

    def start(self, kinds: str = WELL, *, wait: bool = True, **env: str) -> None:
        """Start in the foreground, as systemd would."""
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "etld.supervisor", "--config", str(self.config), "--kinds", kinds],
                env={**os.environ, "PYTHONPATH": str(TESTS), **env},
                stdin=subprocess.DEVNULL,
                stderr=stderr,
            )
        if wait:
            wait_until(lambda: self.state_is("ready"), what="ready")

    def daemonize(self, kinds: str = WELL) -> subprocess.CompletedProcess[str]:
        """Start in the background by the command line's own code."""
        code = (
            "from etld import cli; from etld.supervisor import daemonize;"
            f"daemonize.start.__defaults__ = ({kinds!r},); cli.main()"
        )
        return subprocess.run(
            [sys.executable, "-c", code, "--config", str(self.config), "start"],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return warm_cli.run(["--config", str(self.config), *arguments], os.environ, Path.cwd(), 60)

    @property
    def socket(self) -> Path:
        return self.state / "etld.sock"

    def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        with ControlConnection(self.socket, 60.0) as connection:
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
        """What a fake worker wrote down."""
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
def prepared(directory: Path, text: str = "") -> Iterator[FakeWorkersDaemon]:
    """A daemon that is not started yet, with more text for its configuration; ended after the block."""
    daemon = FakeWorkersDaemon(directory, text)
    try:
        yield daemon
    finally:
        daemon.clean()
