"""A whole etld of a test's own: config, ports and state directory in a temporary folder."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w

from etld.control.client import ControlConnection
from etld.embedded import process
from etld.errors import EtldError
from etld.util.ports import LOOPBACK, free_port
from etld.worker import KAFKA_USER
from support import warm_cli
from support.prepared import PreparedData
from support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 120.0
_SERVERS = (("kafka", "kafka", "bootstrap_servers"), ("postgres", "postgres", "dsn"))


class Daemon:
    """Started with `etld start --foreground`, so that it ends with pytest, however that ends.

    The first start finds its servers' data there where somebody has `prepared` it.
    """

    def __init__(self, directory: Path, prepared: PreparedData | None = None) -> None:
        self.directory = directory
        self.prepared = prepared
        self.config_path = directory / "config" / "etld.toml"
        self.state_dir = directory / "var"
        self.started_in = directory
        #: The etld that is started, and that commands are given to.
        self.program = warm_cli.PROGRAM
        #: Where ingest is reached, and what its process enters first (a network of its own).
        self.address = LOOPBACK
        self.become: process.Preexec | None = None
        own = ("ETLD_", "COLUMNS")  # the tests' own configuration, and the width that a test runner sets
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        self.env["ETLD_CONFIG"] = str(self.config_path)
        self._child: subprocess.Popen[bytes] | None = None
        self.config_path.parent.mkdir(parents=True)
        shutil.copytree(ROOT / "schemas", directory / "schemas")
        settings = tomllib.loads(ROOT.joinpath("config/etld.toml").read_text())
        settings["kafka"]["embedded_port"] = free_port()
        settings["postgres"]["embedded_port"] = free_port()
        settings["ingest"]["port"] = free_port()
        settings["console"]["enabled"] = False  # a test of the console gives it a port
        self.write(settings)

    def settings(self) -> dict[str, Any]:
        """The config file as a dict."""
        return tomllib.loads(self.config_path.read_text())

    def write(self, settings: dict[str, Any]) -> None:
        """Write the config file."""
        self.config_path.write_text(tomli_w.dumps(settings))

    def configure(self, changes: dict[str, Any]) -> None:
        """Change keys of the config file by their path: {"ingest.workers": 2}."""
        settings = self.settings()
        for path, value in changes.items():
            *parents, last = path.split(".")
            table = settings
            for parent in parents:
                table = table.setdefault(parent, {})
            table[last] = value
        self.write(settings)

    def cli(self, *args: str, check: bool = True, timeout: float = 150.0) -> subprocess.CompletedProcess[str]:
        """Run `etld ARGS`; with `check` a failure is an AssertionError that shows its output."""
        done = warm_cli.run(args, self.env, self.directory, timeout, self.program)
        if check and done.returncode != 0:
            raise AssertionError(f"etld {' '.join(args)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def json(self, *args: str, check: bool = True) -> Any:
        """What `etld ARGS --json` prints."""
        return json.loads(self.cli(*args, "--json", check=check).stdout)

    def status(self) -> dict[str, Any]:
        """What `etld status --json` prints, asked without starting a program; {} while nothing answers."""
        try:
            with ControlConnection(self.state_dir / "etld.sock", 10.0) as connection:
                return connection.ask("status")
        except EtldError:
            return {}

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it."""
        if self.prepared is not None and not self.state_dir.exists():
            embedded = {name: self.settings()[table][key] == "embedded" for name, table, key in _SERVERS}
            self.prepared.copy(self.state_dir, **embedded)
        log = self.state_dir / "log" / "foreground.log"
        self._child = process.spawn(
            [str(self.program), "start", "--foreground"],
            log=log,
            cwd=self.started_in,
            env=self.env,
            death_signal=signal.SIGTERM,
            become=self.become,
        )
        # Reaped at once: `etld stop` waits until the process is gone.
        threading.Thread(target=self._child.wait, daemon=True).start()

    def wait_ready(self) -> None:
        """Wait until it is ready; when it does not come up it is stopped, and the error shows its logs."""

        def ready() -> bool:
            assert self._child is not None
            if self._child.poll() is not None:
                raise AssertionError(f"etld start ended with {self._child.returncode}:\n{self.logs()}")
            return self.status().get("state") == "ready"

        try:
            wait_until(ready, _START_SECONDS, "the daemon is ready")
        except AssertionError as error:
            status = self.status()
            self.stop()
            raise AssertionError(f"{error}\n{json.dumps(status, indent=1)}\n{self.logs()}") from None

    def stop(self) -> None:
        """Stop it as systemd would, by force if need be."""
        if not self.directory.exists():  # stopped and removed before
            return
        if self._child is not None:
            process.stop(self._child, [(signal.SIGTERM, 60.0), (signal.SIGTERM, 20.0)])
            self._child = None
        if self.status():  # a test started it in the background
            self.cli("stop", check=False)

    @contextlib.contextmanager
    def running(self) -> Iterator[Daemon]:
        """Start it; at the end stop it, and remove all that it left."""
        try:
            self.start()
            yield self
        finally:
            self.stop()
            shutil.rmtree(self.directory, ignore_errors=True)

    def logs(self, lines: int = 60) -> str:
        """The ends of its logs, for a failure's message."""
        parts = []
        for path in sorted(self.state_dir.joinpath("log").glob("*.log")):
            told = path.read_text(errors="replace").splitlines()[-lines:]
            parts.append(f"--- {path.name}\n" + "\n".join(told))
        return "\n".join(parts)

    def worker(self, name: str) -> dict[str, Any]:
        """One worker of status()."""
        for worker in self.status().get("workers", []):
            if worker["name"] == name:
                return dict(worker)
        raise AssertionError(f"no worker {name}")

    @property
    def http(self) -> str:
        """The base URL of ingest."""
        return f"http://{self.address}:{self.settings()['ingest']['port']}"

    @property
    def kafka(self) -> str:
        """The broker's address."""
        given = self.settings()["kafka"]
        servers = given["bootstrap_servers"]
        return f"127.0.0.1:{given['embedded_port']}" if servers == "embedded" else str(servers)

    def kafka_client(self, **more: Any) -> dict[str, Any]:
        """What a client of librdkafka needs for its broker, and more options (`linger_ms`)."""
        settings = {"bootstrap.servers": self.kafka, **{name.replace("_", "."): value for name, value in more.items()}}
        if self._has_password:
            password = self._kafka_passfile.read_text().strip()
            login = {"sasl.username": KAFKA_USER, "sasl.password": password}
            settings |= {"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", **login}
        return settings

    def kafka_access(self) -> dict[str, Any]:
        """What another daemon has to be configured with to work on its broker."""
        named = {"bootstrap_servers": self.kafka}
        if self._has_password:
            named |= {"security_protocol": "sasl_plaintext", "sasl_mechanism": "PLAIN", "sasl_username": KAFKA_USER}
            named["sasl_password_file"] = str(self._kafka_passfile)
        return {f"kafka.{name}": value for name, value in named.items()}

    @property
    def _kafka_passfile(self) -> Path:
        return self.state_dir / "kafka.pass"

    @property
    def _has_password(self) -> bool:
        return self.settings()["kafka"]["bootstrap_servers"] == "embedded" and self._kafka_passfile.exists()

    @property
    def dsn(self) -> str:
        """The database, with its password file."""
        port = self.settings()["postgres"]["embedded_port"]
        return f"postgresql://etld@127.0.0.1:{port}/etld?passfile={self.state_dir / 'postgres.pass'}"
