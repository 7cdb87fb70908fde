"""The exactly-once consumer loop that processor, aggregator and corrector share."""

from etld.stream.batch import Batch, Records, Tally
from etld.stream.handler import Handler, Work
from etld.stream.loop import run

__all__ = ["Batch", "Handler", "Records", "Tally", "Work", "run"]
