"""What outlives a session: addresses, the connection beside the writer's, the admin client."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.kafka.admin import Admin
from etld.kafka.settings import client_settings
from etld.postgres import connections
from etld.postgres.errors import OperationalError, classify

if TYPE_CHECKING:
    from etld.worker import Worker

log = logging.getLogger("etld.stream")
_RECONNECT_EVERY = 2.0
# What the loop's thread waits for PostgreSQL, as shares of the time after which a silent worker counts as hung.
_STATEMENT, _ANSWER = 0.5, 0.6


@dataclass(frozen=True, slots=True)
class Options:
    """How large a batch is at most (records, bytes), and how long (seconds) a record waits for company."""

    max_records: int
    max_bytes: int
    linger: float


class Link:
    """The ways of one worker to Kafka and PostgreSQL."""

    def __init__(self, worker: Worker, group: str, options: Options) -> None:
        self._worker = worker
        self.group = f"etld-{group}"
        self.options = options
        self.settings = client_settings(worker.config, worker.addresses)
        self.admin = Admin(self.settings)
        self.cluster_id = self.admin.cluster_id()
        self.database_problem: str | None = None
        #: When the work beside the batches was last done, monotonic.
        self.rested = float("-inf")
        #: Who writes positions: the token tells this process from any other of the same name.
        self.owner = f"{worker.config.node_id}/{worker.name}#{secrets.token_hex(4)}"
        #: Every partition that this process has ever claimed.
        self.claimed: set[tuple[str, int]] = set()
        self._conn: connections.Connection | None = None
        self._not_before = 0.0

    @property
    def in_memory_broker(self) -> bool:
        """Does the broker forget its topics when it ends? So does the embedded Tansu."""
        return self._worker.config.kafka.bootstrap_servers == "embedded" and self.cluster_id.startswith("tansu")

    def connect(self, *, hurry: bool = False) -> connections.Connection:
        """A new connection; raises OperationalError. `hurry`: for the loop's thread, which must not fall silent."""
        config = self._worker.config
        assert self._worker.addresses.postgres is not None
        hang = config.supervisor.hang_timeout
        longest = min(config.postgres.statement_timeout, hang * _STATEMENT)
        return connections.connect(
            self._worker.addresses.postgres,
            password=config.secret("postgres"),
            application_name=f"etld {self._worker.name}",
            connect_timeout=min(config.postgres.connect_timeout, hang * _STATEMENT),
            statement_timeout=longest if hurry else config.postgres.statement_timeout,
            lock_timeout=5.0,
            # The relay waits for Kafka inside its transaction.
            idle_timeout=config.postgres.statement_timeout,
            answer_within=hang * _ANSWER if hurry else None,
        )

    def connection(self) -> connections.Connection:
        """The connection for claims and for work beside the batches; raises OperationalError."""
        if self._conn is None or self._conn.closed:
            self._worker.beat()
            self._conn = self.connect(hurry=True)
            self.database_problem = None
        # Whoever asks is about to wait for an answer.
        self._worker.beat()
        return self._conn

    def try_connection(self) -> connections.Connection | None:
        """`connection()`, or None while PostgreSQL is away."""
        if self._conn is None and time.monotonic() < self._not_before:
            return None
        try:
            return self.connection()
        except OperationalError as error:
            self._not_before = time.monotonic() + _RECONNECT_EVERY
            what = "is away" if classify(error) == "retry" else "lets nobody in, and a person has to look"
            self.database_problem = f"PostgreSQL {what}: {' '.join(str(error).split())}"
            return None

    def disconnect(self) -> None:
        """Give the connection up; the next call makes a new one."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()
