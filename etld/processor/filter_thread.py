"""The thread that makes the filters of event ids beside the batches, out of their way."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from etld.postgres import beside
from etld.postgres.errors import DatabaseError
from etld.sinks.postgres.deduplication.builder import FilterBuilder
from etld.sinks.postgres.deduplication.filters import directory_of
from etld.util.backoff import Backoff
from etld.util.text import one_line
from etld.worker.beside_thread import BesideThread

if TYPE_CHECKING:
    from etld.worker import Worker

log = logging.getLogger("etld.processor")
_LOOK_EVERY, _LONGEST_PAUSE = 2.0, 30.0
# Of the time that a piece takes at the server, this much is a rest before the next.
_REST = 1.0


class FilterThread(BesideThread):
    """Works while the worker does; of all processors of a host, one at a time makes a filter."""

    def __init__(self, worker: Worker) -> None:
        super().__init__("filters")
        self._worker = worker

    def _run(self) -> None:
        config = self._worker.config
        directory = directory_of(config)
        builder = FilterBuilder(directory, config.storage.dedup_window, self._rest)
        told: str | None = None
        backoff = Backoff(_LOOK_EVERY, _LONGEST_PAUSE)
        while not self._stop.is_set():
            try:
                with beside.connect(self._worker, "filters") as conn:
                    while not self._stop.is_set():
                        builder.run(conn)
                        self._worker.gauge("event_id_filters_bytes", builder.size())
                        told = None
                        backoff.reset()
                        self._stop.wait(_LOOK_EVERY)
            except (DatabaseError, OSError) as error:
                # Without a filter ids are looked up in the table, as surely.
                text = one_line(error)
                if text != told and not self._stop.is_set():
                    log.warning("cannot make filters of event ids in %s now, trying again: %s", directory, text)
                told = text
                self._stop.wait(backoff.next())

    def _rest(self, took: float) -> bool:
        return not self._stop.wait(_REST * took)
