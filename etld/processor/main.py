"""The role's entry point."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from etld.worker.heap import collect_rarely, keep_large_blocks, limit_memory

if TYPE_CHECKING:
    from etld.worker import Worker


def run(worker: Worker) -> None:
    """Process the worker's event type until it stops."""
    # Before Polars is imported: one batch is one core's work, and the cores are shared with the broker.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    keep_large_blocks()
    from etld import stream
    from etld.processor.handler import ProcessorHandler

    limits = worker.config.processor
    handler = ProcessorHandler(worker)
    collect_rarely()
    limit_memory(worker.config.supervisor.max_memory)
    stream.run(worker, handler, stream.BatchLimits(limits.batch_max_records, limits.batch_max_bytes, limits.linger))
