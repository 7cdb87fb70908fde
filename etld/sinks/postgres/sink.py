"""PostgreSQL as a sink: positions and effects in one transaction."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from etld.postgres import connections
from etld.postgres.access import access
from etld.postgres.errors import DatabaseError
from etld.sinks.base import Sink, SinkError, SinkWriter
from etld.sinks.postgres.deduplication.filters import Filters, directory_of
from etld.sinks.postgres.deduplication.known_ids import DEDUP_WINDOW, KnownIds
from etld.sinks.postgres.positions import Positions, end_blockers
from etld.sinks.postgres.seen_timelines import SeenTimelines, path_of
from etld.sinks.postgres.unwrap import PostgresSide, PostgresTransaction, as_sink_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from etld.kafka.types import Partition
    from etld.postgres.connections import Connection
    from etld.sinks.base import Advance, Claimed, Consumer, EventRows, Halted, PartitionLog, RecordCounts, Transaction
    from etld.worker import Worker

    #: A new connection; True for the loop's thread, which must not fall silent.
    Connect = Callable[[bool], Connection]

log = logging.getLogger("etld.postgres")
_RECONNECT_EVERY = 2.0
# What the loop's thread waits for PostgreSQL, as shares of the time after which a silent worker counts as hung.
_STATEMENT, _ANSWER = 0.5, 0.6


class PostgresSink(Sink):
    """The transactional sink. `beat` is called before the loop's thread waits for an answer.

    An event_id is known for `window` seconds; the filters that spare look-ups are in the directory `filters`.
    """

    name: ClassVar[str] = "postgres"
    title: ClassVar[str] = "PostgreSQL"

    def __init__(
        self,
        connect: Connect,
        consumer: Consumer,
        beat: Callable[[], object] = lambda: None,
        window: float = DEDUP_WINDOW,
        filters: Path | None = None,
        timelines: Path | None = None,
    ) -> None:
        self._connect = connect
        self._window = window
        self._filters = filters
        self._positions = Positions(consumer, SeenTimelines(timelines))
        self._beat = beat
        self._conn: Connection | None = None
        self._not_before = 0.0

    def claim(self, logs: Sequence[PartitionLog]) -> tuple[list[Claimed], list[Halted]]:
        """See `Sink`."""
        with as_sink_errors():
            return self._positions.claim(self._connection(), logs, self._unblock)

    def note_rewound(self, records: Mapping[Partition, int]) -> None:
        """See `Sink`."""
        with as_sink_errors():
            self._positions.note_rewound(self._connection(), records)

    def halted(self) -> set[Partition]:
        """See `Sink`."""
        with as_sink_errors():
            return self._positions.halted(self._connection())

    def epochs(self) -> Mapping[Partition, int]:
        """See `Sink`."""
        with as_sink_errors():
            return self._positions.epochs(self._connection())

    def has_rival(self, claimed: Collection[Partition]) -> bool:
        """See `Sink`."""
        with as_sink_errors():
            return self._positions.rival(self._connection(), claimed)

    def writer(self) -> PostgresWriter:
        """See `Sink`."""
        known_ids = KnownIds(self._window, Filters(self._filters))
        return PostgresWriter(lambda: self._connect(False), self._positions, known_ids)

    @contextmanager
    def beside(self) -> Iterator[PostgresSide]:
        """See `Sink`."""
        with as_sink_errors():
            yield PostgresSide(self._connection())

    def reachable(self) -> bool:
        """See `Sink`."""
        if self._conn is None and time.monotonic() < self._not_before:
            return False
        try:
            with as_sink_errors():
                self._connection()
        except SinkError as error:
            self._not_before = time.monotonic() + _RECONNECT_EVERY
            what = "is away" if error.verdict == "retry" else "lets nobody in, and a person has to look"
            self.problem = f"PostgreSQL {what}: {error}"
            return False
        return True

    def disconnect(self) -> None:
        """See `Sink`."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def encode(self, frames: Sequence[pl.DataFrame]) -> EventRows:
        """See `Sink`: the bytes for COPY."""
        from etld.sinks.postgres import event_rows  # frames come with it: roles without events do without

        return event_rows.encode(frames)

    def _connection(self) -> Connection:
        if self._conn is None or self._conn.closed:
            self._beat()
            self._conn = self._connect(True)
            self.problem = None
        # Whoever asks is about to wait for an answer.
        self._beat()
        return self._conn

    def _unblock(self, backend_pid: int) -> None:
        try:
            with self._connect(False) as conn:
                end_blockers(conn, backend_pid)
        except DatabaseError as error:
            log.warning("cannot end the backend that blocks a claim: %s", error)


class PostgresWriter(SinkWriter):
    """The connection that batches are written through."""

    def __init__(self, connect: Callable[[], Connection], positions: Positions, known_ids: KnownIds) -> None:
        self._connect = connect
        self._positions = positions
        self._known_ids = known_ids
        self._conn: Connection | None = None

    def write(
        self,
        advances: Sequence[Advance],
        outcomes: Mapping[Partition, RecordCounts],
        effects: Callable[[Transaction], Mapping[Partition, RecordCounts]],
    ) -> Mapping[Partition, Mapping[str, int]]:
        """See `SinkWriter`: the fence first, then the effects."""
        with as_sink_errors(OSError, UnicodeError):
            conn = self._connection()
            with conn.transaction(), conn.cursor() as cur:
                totals, table = self._positions.advance(cur, advances, outcomes)
                changes = effects(PostgresTransaction(cur, self._known_ids, table))
                if changes:
                    totals |= self._positions.adjust(cur, changes)
            return totals

    def happened(self, advances: Sequence[Advance]) -> bool:
        """See `SinkWriter`."""
        with as_sink_errors(OSError):
            return self._positions.happened(self._connection(), advances)

    def disconnect(self) -> None:
        """See `SinkWriter`."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def _connection(self) -> Connection:
        if self._conn is None or self._conn.closed:
            self._conn = self._connect()
        return self._conn


def open_sink(worker: Worker, consumer: Consumer) -> PostgresSink:
    """The database of a worker's configuration."""

    def connect(hurry: bool) -> Connection:
        config = worker.config
        assert worker.addresses.postgres is not None
        hang = config.supervisor.hang_timeout
        longest = min(config.postgres.statement_timeout, hang * _STATEMENT)
        return connections.connect(
            worker.addresses.postgres,
            **access(config),
            application_name=f"etld {worker.name}",
            connect_timeout=min(config.postgres.connect_timeout, hang * _STATEMENT),
            statement_timeout=longest if hurry else config.postgres.statement_timeout,
            lock_timeout=5.0,
            # The relay waits for Kafka inside its transaction.
            idle_timeout=config.postgres.statement_timeout,
            answer_within=hang * _ANSWER if hurry else None,
        )

    storage = worker.config.storage
    return PostgresSink(
        connect, consumer, worker.beat, storage.dedup_window, directory_of(worker.config), path_of(worker.config)
    )
