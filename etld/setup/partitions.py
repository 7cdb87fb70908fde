"""The partitions of the events' table, before any worker writes it."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

from etld.sinks.postgres.partitions import making, takeover

if TYPE_CHECKING:
    from etld.worker import Worker

log = logging.getLogger("etld.setup")
_BEAT = 0.2


def ensure(worker: Worker) -> None:
    """Make the table partitioned as the configuration says; one that cannot be stays as it is, which is told."""
    conn = making.connect(worker, "partitions")
    # In a thread, since a worker that is silent counts as hung.
    with closing(conn), ThreadPoolExecutor(1) as thread:
        found = thread.submit(takeover.ensure, conn, worker.config.storage.period)
        while not found.done():
            if worker.wait(_BEAT):
                conn.cancel()
        reason = found.result()
    if reason is not None:
        log.error("processed_events stays without partitions: %s", reason)
