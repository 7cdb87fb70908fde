"""The tables of the summaries in the hands of the aggregator: made, filled, and tried again when they are held back."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from etld.aggregator.backfill_thread import BackfillThread
from etld.postgres import privileges
from etld.sinks.postgres.unwrap import connection_of
from etld.summaries import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.postgres.lease import Leases
    from etld.sinks.base import SideConnection, Transaction
    from etld.summaries.backfill import CountedStream
    from etld.summaries.model import Summary
    from etld.summaries.tables import HeldBack, Synced
    from etld.worker import Worker

log = logging.getLogger("etld.aggregator")
# Seconds between two looks at what is held back, and at what `etld summaries rebuild` has emptied.
_LOOK_EVERY = 5.0


class SummaryTables:
    """Knows which tables are as the configuration says.

    `verify` is for the thread that writes batches, the rest for the loop's.
    """

    def __init__(self, worker: Worker, summaries: Sequence[Summary], leases: Leases) -> None:
        self._worker = worker
        self._summaries = summaries
        self._definitions = {summary.name: summary.definition() for summary in summaries}
        self._held_back: dict[str, HeldBack] = {}
        self._stream: CountedStream | None = None
        self._look_at = 0.0
        self._backfill = BackfillThread(worker, summaries, leases)

    def start(self, side: SideConnection, stream: CountedStream, *, again: bool = False) -> None:
        """Make what is new or changed; once a process, lest two daemons with other summaries undo each other's.

        `again`: once more, for what was made may be gone.
        """
        if self._stream is None or again:
            self.sync(side, stream)
            self._look(side, stream)

    def sync(self, side: SideConnection, stream: CountedStream) -> list[str]:
        """Make the tables of what is new or changed; the names of those."""
        synced = tables.sync(side, stream, self._summaries)
        self._take(side, synced)
        self._stream = stream
        return synced.made

    def ready(self) -> list[Summary]:
        """The summaries whose tables are as they should be."""
        return [summary for summary in self._summaries if summary.name not in self._held_back]

    def verify(self, transaction: Transaction) -> set[str]:
        """The names of the summaries to add to, in a batch's transaction; raises `DefinitionsChanged`."""
        return tables.verify(transaction, self._definitions, self._held_back)

    def idle(self, side: SideConnection) -> None:
        """Now and then: try again what is held back, and fill what waits for it."""
        if self._stream is not None and time.monotonic() >= self._look_at:
            self.retry(side)
            self._look(side, self._stream)

    def retry(self, side: SideConnection) -> None:
        """Try again what is held back."""
        if self._held_back and self._stream is not None:
            self._take(side, tables.retry(side, self._stream, self._held_back))

    def has_filled(self) -> bool:
        """Was a summary filled since the last call?"""
        return self._backfill.has_filled()

    def close(self) -> None:
        """End what is being filled."""
        self._backfill.close()

    def _take(self, side: SideConnection, synced: Synced) -> None:
        for name in synced.made:
            log.info("summary %s is new or changed: filling it from processed_events", name)
        reader = self._worker.config.postgres.reader
        if reader and synced.made and (missing := privileges.let_read(connection_of(side), reader)):
            log.error(
                "the role %s cannot read all that it should; as the owner or a superuser: %s;",
                reader,
                "; ".join(missing),
            )
        for name, held in synced.held_back.items():
            if name not in self._held_back or self._held_back[name].reason != held.reason:
                log.error("summary %s is not kept up to date: %s; trying again", name, held.reason)
        self._held_back = synced.held_back
        told = [f"summary {name} is not kept up to date: {held.reason}" for name, held in synced.held_back.items()]
        self._worker.fault("summaries", "; ".join(told) or None)

    def _look(self, side: SideConnection, stream: CountedStream) -> None:
        self._look_at = time.monotonic() + _LOOK_EVERY
        if tables.any_waiting(side, self._definitions):
            self._backfill.start(stream)
