"""The child's side of being supervised: readiness, beats, counters, the stop flag."""

from etld.worker.addresses import EMBEDDED, KAFKA_USER, Addresses
from etld.worker.slot import SlotSpec
from etld.worker.worker import FATAL_EXIT, Positions, Worker

__all__ = ["EMBEDDED", "FATAL_EXIT", "KAFKA_USER", "Addresses", "Positions", "SlotSpec", "Worker"]
