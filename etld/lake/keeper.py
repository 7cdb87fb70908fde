"""The thread that looks after a table of the lake beside the batches: one of all workers of the table does it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from etld.erasure.arrival import Erasures
from etld.errors import EtldError
from etld.lake.backfill import Backfill
from etld.lake.forgotten import ForgottenRows
from etld.postgres import beside, statements
from etld.postgres.errors import DatabaseError
from etld.sinks.iceberg import forgetting, mirror, positions
from etld.sinks.iceberg.counting import RowCounter
from etld.sinks.iceberg.errors import is_of_the_world
from etld.sinks.iceberg.opening import open_table
from etld.sinks.iceberg.table import columns_of
from etld.sinks.iceberg.upkeep import Settings, Upkeep
from etld.util.backoff import Backoff
from etld.util.text import one_line
from etld.worker.beside_thread import BesideThread

if TYPE_CHECKING:
    from etld.postgres.connections import Connection
    from etld.sinks.iceberg.table import LakeTable
    from etld.worker import Worker

log = logging.getLogger("etld.lake")
_SQL = statements.load(__package__, "keeper")

# Seconds between two looks, at who was forgotten, at files, and for files that nobody needs.
_LOOK_EVERY, _FILES_EVERY, _ORPHANS_EVERY = 5.0, 300.0, 86_400.0
_FIRST_FILES, _FIRST_ORPHANS = 60.0, 900.0
_LONGEST_PAUSE = 60.0
# To count rows takes a twentieth of the time at most, once those that were there are counted, and seconds at once.
_COUNT_SHARE, _COUNT_AT_ONCE = 20.0, 10.0


class LakeKeeper(BesideThread):
    """Works while the worker does."""

    def __init__(self, worker: Worker) -> None:
        super().__init__("upkeep")
        self._worker = worker
        self._erasures = Erasures(worker.config.erasure_key_path)
        #: The step of the erasures that the table is known to have taken.
        self._erased: int | None = None
        self._counter = RowCounter()
        self._next_count = 0.0
        # A worker that begins has more urgent things to do.
        self._next_files, self._next_orphans = time.monotonic() + _FIRST_FILES, time.monotonic() + _FIRST_ORPHANS

    def _run(self) -> None:
        backoff = Backoff(_LOOK_EVERY, _LONGEST_PAUSE)
        told: str | None = None
        while not self._stop.is_set():
            try:
                table = open_table(self._worker)
                try:
                    with beside.connect(self._worker, "upkeep") as conn:
                        self._keep(conn, table)
                finally:
                    table.close()
                told = None
                backoff.reset()
            except Exception as error:
                if not (isinstance(error, EtldError | DatabaseError) or is_of_the_world(error)):
                    raise
                text = one_line(error) or type(error).__name__
                if text != told and not self._stop.is_set():
                    log.warning("the upkeep of the lake failed, trying again: %s", text)
                told = text
                self._stop.wait(backoff.next())

    def _keep(self, conn: Connection, table: LakeTable) -> None:
        lake = self._worker.config.lake
        upkeep = Upkeep(table, Settings(lake.target_file, lake.keep_snapshots), lambda: not self._stop.is_set())
        while not self._stop.is_set():
            row = conn.execute(_SQL.lock, {"table": table.title}).fetchone()
            if row is not None and row[0]:
                self._look(conn, table, upkeep)
            self._stop.wait(_LOOK_EVERY)

    def _look(self, conn: Connection, table: LakeTable, upkeep: Upkeep) -> None:
        self._forget(conn, table, upkeep)
        self._backfill(conn, table, upkeep)
        now = time.monotonic()
        if now >= self._next_files:
            self._files(conn, table, upkeep)
            self._tell(conn, table)
            # A table that went back to an older state has what that had.
            self._erased = None
            self._next_files = time.monotonic() + _FILES_EVERY
        if now >= self._next_orphans:
            swept = upkeep.sweep()
            if swept:
                log.info("deleted %d files of %s that no snapshot has", swept, table.title)
            self._next_orphans = time.monotonic() + _ORPHANS_EVERY
        self._count(conn, table)

    def _backfill(self, conn: Connection, table: LakeTable, upkeep: Upkeep) -> None:
        """Do what `etld lake backfill` has ordered."""
        backfill = Backfill(self._worker, conn, self._stop.is_set)
        try:
            rows = backfill.run(table, upkeep, self._erasures.step)
        except Exception as error:
            backfill.failed(one_line(error) or type(error).__name__)
            raise
        if rows is not None:
            log.info("%s: %d rows came from PostgreSQL", table.title, rows)
            self._tell(conn, table)

    def _tell(self, conn: Connection, table: LakeTable) -> None:
        """Have PostgreSQL know how the table is now."""
        now = table.load()
        if now.current_snapshot() is not None:
            event_type = self._worker.event_type or ""
            mirror.write_table(conn, event_type, mirror.LakeState.of(table.title, now, {}))

    def _count(self, conn: Connection, table: LakeTable) -> None:
        """Count the rows by partition of the topic, for who compares them with the positions, once there are others."""
        began = time.monotonic()
        if began < self._next_count:
            return
        event_type = self._worker.event_type or ""
        noted = mirror.counted_snapshot(conn, event_type)
        if noted is None or noted[0] == noted[1]:
            return
        now = table.load()
        snapshot = now.current_snapshot()
        if snapshot is not None:
            rows = self._counter.count(now, _COUNT_AT_ONCE)
            if rows is None:
                return
            mirror.write_counts(conn, event_type, snapshot.snapshot_id, rows, positions.expected(now))
        self._next_count = time.monotonic() + _COUNT_SHARE * (time.monotonic() - began)

    def _files(self, conn: Connection, table: LakeTable, upkeep: Upkeep) -> None:
        retention = self._worker.config.lake.retention
        gone = upkeep.drop_older(retention) if retention is not None else 0
        less = upkeep.compact()
        old = upkeep.expire_snapshots()
        told = f"{less} files less, {gone} rows and {old} snapshots expired"
        if gone or less or old:
            log.info("%s: %s", table.title, told)
        mirror.write_upkeep(conn, self._worker.event_type or "", told)

    def _forget(self, conn: Connection, table: LakeTable, upkeep: Upkeep) -> None:
        """Carry out erasures: what comes from now on is free of the subjects, then so is what is there."""
        self._erasures.load(conn)
        step = self._erasures.step
        if step == self._erased:
            return
        now = table.load()
        # A database that went over to a standby may have gone back.
        if forgetting.step(now.properties, forgetting.ASKED) != step:
            table.note({forgetting.ASKED: str(step)})
            now = table.load()
        if self._erasures.latest and forgetting.step(now.properties, forgetting.DONE) != step:
            rows = ForgottenRows(self._erasures, columns_of(now), positions.topic_ids(now))
            gone = upkeep.rewrite(rows.kept, self._erasures.latest * 1000)
            table.note({forgetting.DONE: str(step)})
            self._tell(conn, table)
            log.info("%s: %d rows of forgotten subjects are gone; older snapshots have them yet", table.title, gone)
        self._erased = step
