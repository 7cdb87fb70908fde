"""Filling new summaries from processed_events, in a thread, because ten million rows take a while."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from etld.postgres import beside, connections
from etld.postgres.errors import DatabaseError
from etld.postgres.lease import SUMMARIES, LeaseLost
from etld.summaries import backfill, tables
from etld.util.backoff import Backoff
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.postgres.lease import Leases
    from etld.summaries.backfill import CountedStream
    from etld.summaries.model import Summary
    from etld.worker import Worker

log = logging.getLogger("etld.aggregator")
_LOOK_EVERY = 1.0
_LONGEST_PAUSE = 10.0


class BackfillThread:
    """Fills what waits for it once the processors have passed the cut, under the lease of all aggregators."""

    def __init__(self, worker: Worker, summaries: Sequence[Summary], leases: Leases) -> None:
        self._worker = worker
        self._summaries = summaries
        self._leases = leases
        self._stop = threading.Event()
        self._filled = threading.Event()
        self._thread: threading.Thread | None = None
        self._conn: connections.Connection | None = None

    def start(self, stream: CountedStream) -> None:
        """Begin to fill all that waits, unless that is under way."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, args=(stream,), name="backfill", daemon=True)
            self._thread.start()

    def has_filled(self) -> bool:
        """Was a summary filled since the last call?"""
        if not self._filled.is_set():
            return False
        self._filled.clear()
        return True

    def close(self) -> None:
        """Stop; a summary that is being filled is rolled back and begun again by the next process."""
        self._stop.set()
        conn = self._conn
        if conn is not None:
            conn.cancel()
        if self._thread is not None:
            self._thread.join(3.0)

    def _run(self, stream: CountedStream) -> None:
        told: str | None = None
        backoff = Backoff(_LOOK_EVERY, _LONGEST_PAUSE)
        while not self._stop.is_set():
            try:
                with beside.connect(self._worker, "filling") as conn:
                    self._conn = conn
                    while not self._stop.is_set():
                        if not self._fill_all(conn, stream):
                            return
                        told = None
                        backoff.reset()
                        self._stop.wait(_LOOK_EVERY)
            except (DatabaseError, LeaseLost) as error:
                text = one_line(error)
                if text != told and not self._stop.is_set():
                    log.warning("cannot fill summaries now, trying again: %s", text)
                told = text
                self._stop.wait(backoff.next())
            finally:
                self._conn = None

    def _fence(self, conn: connections.Connection) -> None:
        self._leases.fence(conn, SUMMARIES)

    def _fill_all(self, conn: connections.Connection, stream: CountedStream) -> bool:
        """Fill what can be filled now; is one left that waits for the processors, or that another aggregator fills?"""
        if not self._leases.holds(SUMMARIES):
            return bool(tables.waiting(conn))
        waiting = tables.waiting(conn)
        mine = [summary for summary in self._summaries if waiting.get(summary.name) == summary.definition()]
        filled = 0
        for summary in mine:
            if not self._stop.is_set() and backfill.fill(conn, stream, summary, self._fence):
                log.info("summary %s is filled from processed_events", summary.name)
                self._filled.set()
                filled += 1
        return filled < len(mine)
