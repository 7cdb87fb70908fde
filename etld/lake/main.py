"""The role's entry point."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from etld import stream
from etld.worker.heap import collect_rarely, keep_large_blocks, limit_memory

if TYPE_CHECKING:
    from etld.worker import Worker


def run(worker: Worker) -> None:
    """Write the worker's event type to the lake until it stops."""
    if importlib.util.find_spec("pyiceberg") is None:
        worker.fatal('[lake] needs the extra "lake", which is not installed: pip install "etld[lake]"', "ETLD-L003")
    from etld.lake.handler import LakeHandler

    keep_large_blocks()
    limits = worker.config.processor
    handler = LakeHandler(worker)
    collect_rarely()
    limit_memory(worker.config.supervisor.max_memory)
    stream.run(worker, handler, stream.BatchLimits(limits.batch_max_records, limits.batch_max_bytes, limits.linger))
