"""The child's side of being supervised: readiness, beats, counters, the stop flag."""

from etld.worker.addresses import EMBEDDED, Addresses
from etld.worker.slot import SlotSpec
from etld.worker.worker import FATAL_EXIT, Worker

__all__ = ["EMBEDDED", "FATAL_EXIT", "Addresses", "SlotSpec", "Worker"]
