"""The role's entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld import stream
from etld.processor.handler import ProcessorHandler
from etld.worker.heap import collect_rarely, keep_large_blocks, limit_memory

if TYPE_CHECKING:
    from etld.worker import Worker


def run(worker: Worker) -> None:
    """Process the worker's event type until it stops."""
    keep_large_blocks()
    limits = worker.config.processor
    handler = ProcessorHandler(worker)
    collect_rarely()
    limit_memory(worker.config.supervisor.max_memory)
    stream.run(worker, handler, stream.BatchLimits(limits.batch_max_records, limits.batch_max_bytes, limits.linger))
