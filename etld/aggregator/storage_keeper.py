"""The thread that makes the partitions of processed_events ahead, and takes away events whose time is over.

Of several at once, here or on other hosts, the holder of the lease does it; each step is a transaction that is done
under the lease, or not at all.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from etld.aggregator import retention
from etld.aggregator.lake_hold import LakeHold
from etld.aggregator.retention import Books
from etld.postgres import connections, privileges
from etld.postgres.access import access
from etld.postgres.compose import SQL, Composable, Literal
from etld.postgres.errors import LOCK_NOT_AVAILABLE, DatabaseError, classify, sqlstate
from etld.postgres.lease import STORAGE, LeaseLost
from etld.sinks.postgres.partitions import catalog, making
from etld.sinks.postgres.partitions.block_ranges import BlockRanges
from etld.summaries.live import NotYet
from etld.util.backoff import Backoff
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etld.postgres.connections import Connection
    from etld.postgres.lease import Leases
    from etld.sinks.postgres.partitions.catalog import EventPartition
    from etld.summaries.backfill import CountedStream
    from etld.summaries.model import Summary
    from etld.worker import Worker

log = logging.getLogger("etld.aggregator")
_FAULT, _RETENTION = "storage", "retention"
_LOOK_EVERY = 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0
# What may pass by itself is told when it has not after so many looks.
_PATIENCE = 15
# Rows whose time is over go so many seconds later at most: to look for them is to read their partition.
_LATER = 900.0
_RANGES_EVERY = 20.0
_NEVER = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
_EVER = datetime.min.replace(tzinfo=UTC)


class StorageKeeper:
    """The thread; `close` ends it."""

    def __init__(self, worker: Worker, summaries: Sequence[Summary], leases: Leases) -> None:
        self._worker = worker
        self._summaries = summaries
        self._leases = leases
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._conn: Connection | None = None
        self._put_off = 0
        self._hold = LakeHold(worker, "")
        self._ranges = BlockRanges()
        self._ranges_at = 0.0
        #: Until when rows of an event type are gone from a table.
        self._done: dict[tuple[str, str], datetime] = {}

    def start(self, stream: CountedStream) -> None:
        """Begin, unless that is done."""
        if self._thread is None:
            books = Books(stream, self._summaries, lambda conn: self._leases.fence(conn, STORAGE))
            self._hold = LakeHold(self._worker, stream.cluster_id)
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
                with making.connect(self._worker, "storage") as conn:
                    self._conn = conn
                    while not self._stop.is_set():
                        self._turn(conn, books)
                        backoff.reset()
                        self._stop.wait(_LOOK_EVERY)
            except DatabaseError as error:
                # Of a server that is away the loop's thread tells.
                if classify(error) != "retry" and not self._stop.is_set():
                    self._tell(_FAULT, f"partitions cannot be kept, trying again: {one_line(error)}")
                self._stop.wait(backoff.next())
            finally:
                self._conn = None

    def _turn(self, conn: Connection, books: Books) -> None:
        partitioned = catalog.is_partitioned(conn)
        if self._leases.holds(STORAGE):
            try:
                self._look(conn, books, partitioned=partitioned)
            except LeaseLost as error:
                log.warning("%s", error)
        else:
            self._tell(_FAULT, None)
            self._tell(_RETENTION, None)
            self._worker.gauge("event_partitions_held", None)
        if partitioned:
            self._show(catalog.read(conn))

    def _look(self, conn: Connection, books: Books, *, partitioned: bool) -> None:
        now = datetime.now(UTC)
        problem = self._make(conn, now) if partitioned else self._refused(conn)
        try:
            gone = self._expire(conn, books, now, catalog.read(conn) if partitioned else [])
        except NotYet as error:
            self._put_off += 1
            if self._put_off >= _PATIENCE:
                self._tell(_RETENTION, f"events whose time is over stay for now: {error}")
        else:
            self._put_off = 0
            self._tell(_RETENTION, self._hold.problem)
            if gone and self._worker.config.postgres.migration_dsn:
                self._grant(conn)
        self._tell(_FAULT, problem)
        if partitioned:
            self._index(conn)

    def _index(self, conn: Connection) -> None:
        """Let the indexes of block ranges know what is new; what is in the way now is no more the next time."""
        if time.monotonic() >= self._ranges_at:
            try:
                self._ranges.follow(conn)
            except DatabaseError as error:
                if sqlstate(error) != LOCK_NOT_AVAILABLE:
                    raise
            self._ranges_at = time.monotonic() + _RANGES_EVERY

    def _make(self, conn: Connection, now: datetime) -> str | None:
        """Make what is missing; what stands in the way, if that matters by now."""
        try:
            for leaf in catalog.make_ahead(conn, self._worker.config.storage.period or "month", now):
                log.info("made partition %s, from %s to %s", leaf.name, leaf.lower, leaf.upper)
        except DatabaseError as error:
            if sqlstate(error) != LOCK_NOT_AVAILABLE:
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
        """Take away what is to go; how many partitions, and tables that had such rows."""
        leaves, gone = self._drop(conn, books, now, leaves)
        for table in _tables(leaves):
            for name, seconds in self._ends(table):
                gone += self._delete(conn, books, table, name, now - timedelta(seconds=seconds))
        return gone

    def _drop(
        self, conn: Connection, books: Books, now: datetime, leaves: list[EventPartition]
    ) -> tuple[list[EventPartition], int]:
        """Drop the partitions that are to go; those that are left, and how many went."""
        kept = self._worker.config.storage.retention
        # Nothing is older than that, so nothing goes.
        end = now - timedelta(seconds=kept) if kept is not None else _EVER
        gone, held = 0, False
        while (old := _oldest(leaves)) is not None and old.upper <= end and not self._stop.is_set():
            held = self._hold.holds(conn, old)
            if held or not retention.drop(conn, books, old, self._stop.wait, self._spared):
                break
            log.info("dropped partition %s: its events were accepted before %s", old.name, old.upper)
            leaves, gone = catalog.read(conn), gone + 1
        if not held:
            self._hold.let_go(conn)
        waiting = sum(leaf.upper <= end for leaf in leaves if leaf.name != catalog.LATE) if held else 0
        self._worker.gauge("event_partitions_held", waiting if self._worker.config.lake.hold_partitions else None)
        return leaves, gone

    def _spared(self, conn: Connection, table: Composable) -> bool:
        proof = self._hold.proof(conn)
        return proof is not None and proof.lacks(conn, table)

    def _ends(self, table: _Table) -> Iterator[tuple[str, float]]:
        """The event types ("": all) whose rows go before their table does, and after how many seconds."""
        config = self._worker.config
        if table.by_row and config.storage.retention is not None:
            yield "", config.storage.retention
        for name, kind in config.event_types.items():
            if kind.retention is not None:
                yield name, kind.retention

    def _delete(self, conn: Connection, books: Books, table: _Table, name: str, end: datetime) -> int:
        """Delete the rows of an event type that were accepted before `end`; 1 when there were some."""
        done = self._done.get((table.name, name))
        later = timedelta(seconds=0 if table.name == catalog.LATE else _LATER)
        if (table.begin is not None and table.begin >= end) or (done is not None and end < done + later):
            return 0
        old = which = retention.before(end, table.untold)
        if name:
            old = which = SQL("e.event_type = {} AND {}").format(Literal(name), old)
        proof = self._hold.proof(conn)
        if proof is not None:
            which = SQL("{} AND {}").format(old, proof.has)
        rows = sum(retention.delete(conn, books, table.table, which, lambda: not self._stop.is_set()))
        self._done[table.name, name] = end
        over = table.end is not None and table.end <= end and table.name != catalog.LATE
        if over and (proof is None or not proof.lacks(conn, table.table, old)):
            self._done[table.name, name] = _NEVER
        if rows:
            log.info("deleted %d events%s that were accepted before %s", rows, f" of {name}" if name else "", end)
        return int(bool(rows))

    def _show(self, leaves: Sequence[EventPartition]) -> None:
        self._worker.gauge("event_partitions", len(leaves))
        self._worker.gauge("event_partitions_end_timestamp_seconds", leaves[-1].upper.timestamp())
        oldest = _oldest(leaves)
        if oldest is not None and oldest.lower is not None:
            self._worker.gauge("event_partitions_begin_timestamp_seconds", oldest.lower.timestamp())

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


@dataclass(frozen=True, slots=True)
class _Table:
    """Where rows may be deleted: from `begin` to `end`; `untold`: when those came of which nobody knows it.

    `by_row`: it is no partition that goes as a whole.
    """

    name: str
    table: Composable
    begin: datetime | None
    end: datetime | None
    untold: Composable
    by_row: bool = False


def _tables(leaves: Sequence[EventPartition]) -> Iterator[_Table]:
    unknown = SQL("e.processed_at")
    if not leaves:
        yield _Table(catalog.PARENT, SQL(catalog.PARENT), None, None, unknown, by_row=True)
    for leaf in leaves:
        untold = unknown if leaf.taken_over_at is None else Literal(leaf.taken_over_at)
        yield _Table(leaf.name, leaf.table, leaf.lower, leaf.upper, untold, by_row=leaf.name == catalog.LATE)


def _oldest(leaves: Sequence[EventPartition]) -> EventPartition | None:
    """The partition that goes next; the last stays."""
    whole = [leaf for leaf in leaves if leaf.name != catalog.LATE]
    return whole[0] if len(whole) > 1 else None
