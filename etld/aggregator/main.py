"""The role's entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld import stream
from etld.aggregator.handler import AggregatorHandler
from etld.worker.heap import collect_rarely, keep_large_blocks, limit_memory

if TYPE_CHECKING:
    from etld.worker import Worker


def run(worker: Worker) -> None:
    """Sum events up, and draw, until the worker stops."""
    keep_large_blocks()
    config = worker.config
    handler = AggregatorHandler(worker)
    collect_rarely()
    limit_memory(worker.config.supervisor.max_memory)
    limits = stream.BatchLimits(
        config.aggregator.batch_max_records, config.processor.batch_max_bytes, config.processor.linger
    )
    stream.run(worker, handler, limits)
