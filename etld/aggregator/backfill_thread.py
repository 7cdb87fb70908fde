"""Filling new summaries from processed_events, in a thread, because ten million rows take a while."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from etld.postgres import connections
from etld.postgres.errors import DatabaseError
from etld.summaries import backfill, tables
from etld.util.backoff import Backoff
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.summaries.model import Summary
    from etld.worker import Worker

log = logging.getLogger("etld.aggregator")
_LOOK_EVERY = 1.0
_LONGEST_PAUSE = 10.0


class BackfillThread:
    """Fills what waits for it once the processors have passed the cut; `topics` maps topic to event type."""

    def __init__(self, worker: Worker, summaries: Sequence[Summary], topics: Mapping[str, str]) -> None:
        self._worker = worker
        self._by_name = {summary.name: summary for summary in summaries}
        self._topics = topics
        self._stop = threading.Event()
        self._filled = threading.Event()
        self._thread: threading.Thread | None = None
        self._conn: connections.Connection | None = None

    def start(self, names: Sequence[str], cluster_id: str, group: str) -> None:
        """Begin to fill these, unless there are none; once."""
        chosen = [self._by_name[name] for name in names if name in self._by_name]
        if chosen and self._thread is None:
            args = (chosen, cluster_id, group)
            self._thread = threading.Thread(target=self._run, args=args, name="backfill", daemon=True)
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

    def _run(self, waiting: list[Summary], cluster_id: str, group: str) -> None:
        told: str | None = None
        backoff = Backoff(_LOOK_EVERY, _LONGEST_PAUSE)
        while waiting and not self._stop.is_set():
            try:
                with self._connect() as conn:
                    self._conn = conn
                    while waiting and not self._stop.is_set():
                        waiting = [one for one in waiting if not self._fill(conn, one, cluster_id, group)]
                        told = None
                        backoff.reset()
                        self._stop.wait(_LOOK_EVERY if waiting else 0)
            except DatabaseError as error:
                text = one_line(error)
                if text != told and not self._stop.is_set():
                    log.warning("cannot fill summaries now, trying again: %s", text)
                told = text
                self._stop.wait(backoff.next())
            finally:
                self._conn = None

    def _fill(self, conn: connections.Connection, summary: Summary, cluster_id: str, group: str) -> bool:
        """Is it filled, by us or by another?"""
        outcome = backfill.fill(conn, cluster_id, group, summary, self._topics)
        if outcome:
            log.info("summary %s is filled from processed_events", summary.name)
            self._filled.set()
        # None: another aggregator is at it; it stays on the list until that one is done.
        return outcome is True or (outcome is None and summary.name not in tables.waiting(conn))

    def _connect(self) -> connections.Connection:
        config = self._worker.config
        assert self._worker.addresses.postgres is not None
        return connections.connect(
            self._worker.addresses.postgres,
            password=config.secret("postgres"),
            application_name=f"etld {self._worker.name} filling",
            connect_timeout=config.postgres.connect_timeout,
            statement_timeout=config.postgres.statement_timeout,
        )
