"""A whole etld to hurt: a daemon with Apache Kafka, and a PostgreSQL of its own behind the fault proxy."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from etld.control.client import ask
from etld.embedded.postgres import PostgresServer, dsn
from etld.errors import EtldError
from etld.util.ports import free_port
from faults.brokers import Brokers
from faults.proxy import Proxy
from support.daemon import Daemon
from support.processes import children
from support.waiting import wait_until

# What the fault tests change of the shipped configuration: who kills at random has no mistake that a FATAL
# slot would tell him of; and small pictures leave the two cores of a small machine to the faults.
_CHANGES = {"supervisor.max_failures": 30, "supervisor.backoff_max": "2 s", "charts.dpi": 50}


class System:
    """Start with start(), end with stop(). `external`: PostgreSQL is ours, behind `proxy`; else it is embedded.

    `data` is where an external PostgreSQL keeps its tables. `brokers`: so many, of our own, behind proxies;
    0: the embedded one.
    """

    def __init__(
        self,
        changes: dict[str, Any] | None = None,
        *,
        external: bool = True,
        data: Path | None = None,
        brokers: int = 0,
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="etld-faults-"))
        self.daemon = Daemon(self.directory / "d")
        self.known: set[str] = set()
        self.external = external
        self._changes = {**_CHANGES, **(changes or {})}
        self._passfile = self.directory / "pg.pass"
        self.postgres = PostgresServer(
            data or self.directory / "pg", free_port(), self.directory / "pg.log", self._passfile
        )
        self._proxy: Proxy | None = None
        self._brokers: Brokers | None = Brokers(self.directory, brokers) if brokers else None

    @property
    def proxy(self) -> Proxy:
        """The way to PostgreSQL."""
        assert self._proxy is not None, "this system's PostgreSQL is embedded"
        return self._proxy

    @property
    def brokers(self) -> Brokers:
        """Kafka, where it is ours."""
        assert self._brokers is not None, "this system's Kafka is embedded"
        return self._brokers

    @property
    def kafka(self) -> str:
        """Kafka's address for a client."""
        return self.daemon.kafka if self._brokers is None else self._brokers.address

    def kafka_client(self, **more: Any) -> dict[str, Any]:
        """What a client of librdkafka needs for Kafka; see `Daemon.kafka_client`."""
        return self.daemon.kafka_client(**more) | {"bootstrap.servers": self.kafka}

    @property
    def urls(self) -> list[str]:
        """Where events are sent to."""
        return [self.daemon.http]

    @property
    def dsn(self) -> str:
        """PostgreSQL without the proxy."""
        return dsn(self.postgres.port, self._passfile) if self.external else self.daemon.dsn

    def way_to_postgres(self) -> str:
        """The DSN that the daemon gets."""
        return dsn(self.proxy.port, self._passfile)

    def start(self) -> None:
        """Servers first, then the daemon."""
        if self.external:
            self.postgres_up()
            self.postgres.ensure_database()
            self._proxy = Proxy(self.postgres.port)
            self._changes["postgres.dsn"] = self.way_to_postgres()
        if self._brokers is not None:
            self._brokers.start()
            self._changes["kafka.bootstrap_servers"] = self._brokers.address
        self.daemon.configure(self._changes)
        self.daemon.start()

    def stop(self, keep_logs: Path | None = None) -> None:
        """End everything; with `keep_logs` the logs are copied there."""
        for proxy in self._proxies:
            proxy.heal()
        self.daemon.stop()
        if self._brokers is not None:
            self._brokers.stop()
        if self._proxy is not None:
            self._proxy.close()
        if self.external:
            self.postgres.stop()
        if keep_logs is not None:
            self.save_logs(keep_logs)
        shutil.rmtree(self.directory, ignore_errors=True)

    def heal(self) -> None:
        """Whatever a broken scenario left: the links are whole, the servers run."""
        if self.external:
            self.proxy.heal()
            if self.postgres.child is None or self.postgres.child.poll() is not None:
                self.postgres_up()
        if self._brokers is not None:
            self._brokers.heal()

    @property
    def _proxies(self) -> list[Proxy]:
        return ([] if self._proxy is None else [self._proxy]) + (self._brokers.proxies if self._brokers else [])

    def save_logs(self, to: Path) -> None:
        """Copy the logs there."""
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir(parents=True)
        for log in [*self.daemon.state_dir.glob("log/*.log"), *self.directory.glob("*.log")]:
            shutil.copy(log, to)

    def postgres_up(self) -> None:
        """Start PostgreSQL and wait for it."""
        self.postgres.start()
        self.postgres.wait_ready(60)

    def postgres_down(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End PostgreSQL at once: SIGQUIT is its immediate shutdown, SIGKILL leaves it no word at all."""
        assert self.postgres.child is not None
        self.postgres.child.send_signal(how)
        self.postgres.child.wait(30)

    @contextlib.contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection past the proxy, in autocommit mode."""
        with psycopg.connect(self.dsn, autocommit=True, connect_timeout=5, application_name="faults") as conn:
            yield conn

    def sql(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """The rows of one statement, past the proxy; [] for a statement without rows."""
        with self.connection() as conn:
            cursor = conn.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def progress(self, group: str) -> int | None:
        """Records that the consumer groups of this prefix have consumed since ever; None: no database."""
        try:
            rows = self.sql(
                "SELECT coalesce(sum(consumed), 0)::bigint FROM etld.kafka_position WHERE consumer_group LIKE %s",
                (group + "%",),
            )
        except psycopg.Error:
            return None
        return int(rows[0][0])

    def status(self) -> dict[str, Any]:
        """What `etld status` tells; {} while nobody answers."""
        try:
            return ask(self.daemon.config_path, "status")
        except EtldError:
            return {}

    def worker(self, name: str) -> dict[str, Any]:
        """One worker of status(); {} when there is none."""
        return next((dict(one) for one in self.status().get("workers", []) if one["name"] == name), {})

    def names(self, prefix: str) -> list[str]:
        """Names of the workers of this prefix."""
        return [one["name"] for one in self.status().get("workers", []) if one["name"].startswith(prefix)]

    def pid(self, name: str, timeout: float = 60.0) -> int:
        """The process of a running worker."""

        def running() -> int:
            worker = self.worker(name)
            return int(worker["pid"] or 0) if worker.get("state") == "running" else 0

        return wait_until(running, timeout, f"{name} runs", interval=0.1)

    def server_pid(self, name: str) -> int:
        """The server under an embedded part's worker: the broker's or the postmaster's process."""

        def server() -> int:
            worker = self.worker(name)
            if worker.get("state") != "running" or not worker["pid"]:
                return 0
            return next(iter(children(int(worker["pid"]))), 0)

        return wait_until(server, 60, f"{name} has its server", interval=0.1)

    def said(self, *texts: str, since: int = 0, worker: str | None = None) -> list[str]:
        """Messages of the log after byte `since` that contain one of the texts."""
        return said_in(self._log, *texts, since=since, worker=worker)

    def dumped(self, text: str, since: int) -> bool:
        """Is this in the log after byte `since`, in whatever form? A stack is no JSON."""
        return text.encode() in self._log.read_bytes()[since:]

    def log_end(self) -> int:
        """Where the log ends now, for said()."""
        return self._log.stat().st_size

    def reconcile(self) -> dict[str, Any]:
        """What `etld reconcile --json` says; {} when it says nothing."""
        done = self.daemon.cli("reconcile", "--json", check=False)
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            return {}
        return {**answer, "exit_code": done.returncode}

    def quiesce(self, patience: float = 90.0) -> tuple[dict[str, Any], list[str]]:
        """Wait until nothing is in flight and all agree; (report, what is still wrong)."""
        until = time.monotonic() + patience
        while True:
            report = self.reconcile()
            problems = unsettled(report) or self.unready()
            if not problems:
                return report, []
            if time.monotonic() > until:
                return report, problems
            time.sleep(0.5)

    def unready(self) -> list[str]:
        """Why what is settled is not the end yet: a daemon that is not ready."""
        return not_ready(self.status())

    @property
    def _log(self) -> Path:
        return self.daemon.state_dir / "log" / "foreground.log"


def said_in(log: Path, *texts: str, since: int = 0, worker: str | None = None) -> list[str]:
    """Messages of a daemon's log after byte `since` that contain one of the texts."""
    found = []
    with log.open("rb") as file:
        file.seek(since)
        for line in file.read().decode(errors="replace").splitlines():
            if any(text in line for text in texts):
                try:
                    told = json.loads(line)
                except ValueError:
                    continue
                if worker is None or told.get("worker") == worker:
                    found.append(str(told.get("msg")))
    return found


def not_ready(state: dict[str, Any]) -> list[str]:
    """What a daemon's status says of why it is not ready; [] when it is."""
    if state.get("state") == "ready":
        return []
    return [f"the daemon is {state.get('state', 'away')}: {'; '.join(state.get('faults', []))}"]


def unsettled(report: dict[str, Any]) -> list[str]:
    """Why this answer of reconcile is not the end; [] when all is well."""
    if not report:
        return ["reconcile says nothing"]
    problems = [str(one) for one in report["differences"]]
    if report["exit_code"] != 0 and not problems:
        problems.append(f"reconcile ended with {report['exit_code']}")
    if report["in_flight"]:
        problems.append(f"{report['in_flight']} in flight")
    problems += [f"summary {one['name']} is not equal" for one in report["summaries"] if one["equal"] is not True]
    return problems
