"""The exactly-once consumer loop that processor, aggregator and corrector share."""

from etld.stream.batch import Batch, PartitionBatch
from etld.stream.handler import BatchHandler, Gathers, Work
from etld.stream.loop import run
from etld.stream.resources import BatchLimits, Timings

__all__ = ["Batch", "BatchHandler", "BatchLimits", "Gathers", "PartitionBatch", "Timings", "Work", "run"]
