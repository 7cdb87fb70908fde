"""What pages read and actions change: the daemon by its control socket, PostgreSQL, Kafka.

All of it blocks, and is called in threads.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etld.console.commands import Commands
from etld.console.daemon_log import DaemonLog
from etld.console.dry_runs import DryRuns
from etld.console.history import History
from etld.console.planned import PlannedReload
from etld.console.verdict import Verdict
from etld.control.client import ControlConnection
from etld.kafka.admin import Admin
from etld.kafka.settings import client_settings
from etld.postgres.access import access
from etld.postgres.compose import SQL, Identifier
from etld.postgres.pool import Pool
from etld.schemas.registry import open_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from etld.config import Config
    from etld.console.access.users import User
    from etld.postgres.connections import Connection
    from etld.schemas.registry import Registry
    from etld.worker import Addresses, Worker

#: Connections at once, and seconds that one waits for a free one and that a statement may take.
_CONNECTIONS, _PATIENCE, _STATEMENT_SECONDS = 4, 2.0, 5.0
#: Seconds that a page may keep a transaction while it asks Kafka.
_IDLE_SECONDS = 30.0
#: Seconds for an answer of the daemon, and of Kafka.
_ANSWER, _KAFKA_ANSWER = 10.0, 3.0
#: A status is shown to all who ask within so many seconds.
_FRESH = 0.5


class Sources:
    """Shared by all requests."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        config = worker.config
        assert worker.addresses.postgres is not None
        self._socket = Path(worker.addresses.control)
        self._pool = Pool(
            worker.addresses.postgres,
            size=_CONNECTIONS,
            patience=_PATIENCE,
            application_name="etld console",
            connect_timeout=config.postgres.connect_timeout,
            statement_timeout=min(_STATEMENT_SECONDS, config.postgres.statement_timeout),
            idle_timeout=_IDLE_SECONDS,
            **access(config),
        )
        self._reader = config.postgres.reader
        self._admin: Admin | None = None
        self._cluster = ""
        self._asking, self._making = threading.Lock(), threading.Lock()
        self._status: tuple[float, dict[str, Any]] = (0.0, {})
        self.history = History()
        self.planned = PlannedReload()
        self.dry_runs = DryRuns()
        self._commands = Commands()
        self._log = DaemonLog()
        self.verdict = Verdict(lambda: worker.config, worker.addresses.postgres, self.kafka_settings)

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._worker.config

    @property
    def addresses(self) -> Addresses:
        """Where the other parts are."""
        return self._worker.addresses

    def ask(self, verb: str, timeout: float | None = _ANSWER, **arguments: object) -> dict[str, Any]:
        """One request to the daemon; raises `RequestRefused`, `Unreachable`."""
        with ControlConnection(self._socket, timeout) as connection:
            return connection.ask(verb, **arguments)

    def command(self, user: User, *arguments: str, given: str = "") -> str:
        """Run a command of the command line for a user; what it says. Raises `EtldError` with what it says instead."""
        return self._commands.run(self.config.source, user, *arguments, given=given)

    def status(self) -> dict[str, Any]:
        """What `etld status` tells, at most a moment old."""
        with self._asking:
            at, found = self._status
            if time.monotonic() - at > _FRESH:
                found = self.ask("status")
                self._status = (time.monotonic(), found)
            return found

    def log(self, most: int, worker: str, level: str) -> list[dict[str, Any]]:
        """The last lines of the daemon's log, as `DaemonLog.last` has them; raises `EtldError`."""
        return self._log.last(self.ask, most, worker, level)

    @contextmanager
    def reading(self, *, as_reader: bool = False) -> Iterator[Connection]:
        """A transaction that only reads; `as_reader`: with the rights of the role of readers, where there is one.

        Raises psycopg.OperationalError when PostgreSQL is away, slow, or every connection is taken.
        """
        with self._pool.connection() as conn, conn.transaction():
            conn.execute("SET TRANSACTION READ ONLY")
            if as_reader and self._reader and _may_be(conn, self._reader):
                conn.execute(SQL("SET LOCAL ROLE {}").format(Identifier(self._reader)))
            yield conn

    def connection(self) -> AbstractContextManager[Connection]:
        """A connection in autocommit mode; raises as `reading`."""
        return self._pool.connection()

    @property
    def connections(self) -> int:
        """How many connections of the pool are in use."""
        return self._pool.used

    def kafka_settings(self) -> dict[str, Any]:
        """Settings for a client of the cluster."""
        return client_settings(self.config, self._worker.addresses)

    def admin(self) -> Admin:
        """Who asks the cluster; raises `KafkaProblem`."""
        with self._making:
            if self._admin is None:
                self._admin = Admin(self.kafka_settings(), _KAFKA_ANSWER)
            return self._admin

    def cluster_id(self) -> str:
        """The cluster's id; raises `KafkaProblem`."""
        if not self._cluster:
            self._cluster = self.admin().cluster_id()
        return self._cluster

    def registry(self) -> Registry:
        """The registry of schemas."""
        return open_registry(self.config, self._worker.addresses)

    def close(self) -> None:
        """End the connections, and commands."""
        self._commands.close()
        self._pool.close()


def _may_be(conn: Connection, role: str) -> bool:
    """May this connection take on the rights of a role?"""
    right = "SET" if conn.info.server_version >= 160_000 else "MEMBER"
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s AND pg_has_role(current_user, oid, %(right)s))",
        {"role": role, "right": right},
    ).fetchone()
    return bool(row and row[0])
