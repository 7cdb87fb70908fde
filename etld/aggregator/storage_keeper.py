"""The thread that makes the partitions of processed_events ahead, and takes away events whose time is over.

Of several at once, here or on other hosts, one at a time does something: each step is a transaction under an advisory
lock of its own.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from etld.aggregator import retention
from etld.aggregator.retention import Books
from etld.postgres import connections, privileges
from etld.postgres.access import access, maker
from etld.postgres.compose import SQL, Composable, Literal
from etld.postgres.errors import DatabaseError, classify, sqlstate
from etld.sinks.postgres.partitions import catalog
from etld.summaries.expired import NotYet
from etld.util.backoff import Backoff
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etld.postgres.connections import Connection
    from etld.sinks.postgres.partitions.catalog import EventPartition
    from etld.summaries.backfill import CountedStream
    from etld.summaries.model import Summary
    from etld.worker import Worker

log = logging.getLogger("etld.aggregator")
_FAULT, _RETENTION = "storage", "retention"
_LOOK_EVERY = 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0
_LOCKED = "55P03"
# What may pass by itself is told when it has not after so many looks.
_PATIENCE = 15
# Rows whose time is over go this much later at most: a share of their time, and seconds.
_LATER_SHARE, _LATER = 0.01, 60.0


class StorageKeeper:
    """The thread; `close` ends it."""

    def __init__(self, worker: Worker, summaries: Sequence[Summary]) -> None:
        self._worker = worker
        self._summaries = summaries
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._conn: Connection | None = None
        self._put_off = 0
        #: Until when rows of an event type are gone from a table.
        self._done: dict[tuple[str, str], datetime] = {}

    def start(self, stream: CountedStream) -> None:
        """Begin, unless that is done."""
        if self._thread is None:
            books = Books(stream, self._summaries)
            self._thread = threading.Thread(target=self._run, args=(books,), name="storage", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop; what is under way is rolled back."""
        self._stop.set()
        conn = self._conn
        if conn is not None:
            conn.cancel()
        if self._thread is not None:
            self._thread.join(3.0)

    def _run(self, books: Books) -> None:
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while not self._stop.is_set():
            try:
                with self._connect() as conn:
                    self._conn = conn
                    while not self._stop.is_set():
                        self._look(conn, books)
                        backoff.reset()
                        self._stop.wait(_LOOK_EVERY)
            except DatabaseError as error:
                # Of a server that is away the loop's thread tells.
                if classify(error) != "retry" and not self._stop.is_set():
                    self._tell(_FAULT, f"partitions cannot be kept, trying again: {one_line(error)}")
                self._stop.wait(backoff.next())
            finally:
                self._conn = None

    def _look(self, conn: Connection, books: Books) -> None:
        now = datetime.now(UTC)
        partitioned = catalog.is_partitioned(conn)
        problem = self._make(conn, now) if partitioned else self._refused(conn)
        try:
            gone = self._expire(conn, books, now, catalog.read(conn) if partitioned else [])
        except NotYet as error:
            self._put_off += 1
            if self._put_off >= _PATIENCE:
                self._tell(_RETENTION, f"events whose time is over stay for now: {error}")
        else:
            self._put_off = 0
            self._tell(_RETENTION, None)
            if gone and self._worker.config.postgres.migration_dsn:
                self._grant(conn)
        self._tell(_FAULT, problem)
        if partitioned:
            self._show(catalog.read(conn))

    def _make(self, conn: Connection, now: datetime) -> str | None:
        """Make what is missing; what stands in the way, if that matters by now."""
        try:
            for leaf in catalog.make_ahead(conn, self._worker.config.storage.period or "month", now):
                log.info("made partition %s, from %s to %s", leaf.name, leaf.lower, leaf.upper)
        except DatabaseError as error:
            if sqlstate(error) != _LOCKED:
                raise
            last = catalog.read(conn)[-1].upper
            if last > now + timedelta(days=1):
                return None
            return f"no partition can be made after {last:%Y-%m-%d %H:%M} UTC: somebody locks processed_events for long"
        if self._worker.config.storage.period is None:
            return (
                "processed_events has partitions already, and stays so, one a month from now on: storage.partition ="
                ' "none" cannot undo them'
            )
        return None

    def _refused(self, conn: Connection) -> str | None:
        if self._worker.config.storage.period is None:
            return None
        reason = catalog.refusal(conn) or "etld has not tried yet"
        return (
            f"processed_events stays without partitions: {reason}. All else works; mend it and `etld restart`, or set"
            ' storage.partition = "none"'
        )

    def _expire(self, conn: Connection, books: Books, now: datetime, leaves: list[EventPartition]) -> int:
        """Take away what is to go; how many partitions, and pieces of others."""
        config, gone = self._worker.config, 0
        if config.storage.retention is not None:
            end = now - timedelta(seconds=config.storage.retention)
            while len(leaves) > 1 and leaves[0].upper <= end and not self._stop.is_set():
                if not retention.drop(conn, books, leaves[0], self._stop.wait):
                    break
                log.info("dropped partition %s: its events were accepted before %s", leaves[0].name, leaves[0].upper)
                leaves, gone = leaves[1:], gone + 1
        for name, seconds in self._shorter(partitioned=bool(leaves)):
            end = now - timedelta(seconds=seconds)
            for key, table, begin, untold in _tables(leaves):
                done = self._done.get((key, name))
                pause = timedelta(seconds=max(_LATER, _LATER_SHARE * seconds))
                if (begin is not None and begin >= end) or (done is not None and end < done + pause):
                    continue
                which = SQL("e.event_type = {} AND {}").format(Literal(name), retention.before(end, untold))
                rows = sum(retention.delete(conn, books, table, which, lambda: not self._stop.is_set()))
                self._done[key, name] = end
                gone += bool(rows)
                if rows:
                    log.info("deleted %d events of %s that were accepted before %s", rows, name, end)
        return gone

    def _shorter(self, *, partitioned: bool) -> Iterator[tuple[str, float]]:
        """The event types whose rows go before their partition does, and after how many seconds."""
        config = self._worker.config
        for name, kind in config.event_types.items():
            if kind.retention is not None:
                yield name, kind.retention
            elif not partitioned and config.storage.retention is not None:
                yield name, config.storage.retention

    def _show(self, leaves: Sequence[EventPartition]) -> None:
        self._worker.gauge("event_partitions", len(leaves))
        self._worker.gauge("event_partitions_end_timestamp_seconds", leaves[-1].upper.timestamp())
        if leaves[0].lower is not None:
            self._worker.gauge("event_partitions_begin_timestamp_seconds", leaves[0].lower.timestamp())

    def _tell(self, fault: str, text: str | None) -> None:
        self._worker.fault(fault, text)

    def _grant(self, conn: Connection) -> None:
        """What was made for the summaries' expired events is the daemon's."""
        assert self._worker.addresses.postgres is not None
        config = self._worker.config
        with connections.connect(
            self._worker.addresses.postgres, **access(config), application_name=f"etld {self._worker.name} storage"
        ) as own:
            role = privileges.role_of(own)
        privileges.grant(conn, role)

    def _connect(self) -> Connection:
        config = self._worker.config
        assert self._worker.addresses.postgres is not None
        address, who = maker(config, self._worker.addresses.postgres)
        return connections.connect(
            address,
            **who,
            application_name=f"etld {self._worker.name} storage",
            connect_timeout=config.postgres.connect_timeout,
            # To add up what five million rows had in the summaries takes a while, and disturbs nobody.
            statement_timeout=0.0,
        )


def _tables(leaves: Sequence[EventPartition]) -> Iterator[tuple[str, Composable, datetime | None, Composable]]:
    """Name, table, what it begins with, and when its rows came of which nobody knows it."""
    if not leaves:
        yield catalog.PARENT, SQL(catalog.PARENT), None, SQL("e.processed_at")
    for leaf in leaves:
        untold = SQL("e.processed_at") if leaf.taken_over_at is None else Literal(leaf.taken_over_at)
        yield leaf.name, leaf.table, leaf.lower, untold
