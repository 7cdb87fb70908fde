"""What can go wrong with Kafka, in words for the reader."""

from __future__ import annotations

from etld.errors import EtldError


class KafkaProblem(EtldError):
    """Kafka did not do what was asked; the message names the broker's answer."""


class TooLarge(KafkaProblem):
    """The record is larger than the producer sends; no other is concerned."""


class QueueFull(KafkaProblem):
    """The producer's queue is full: Kafka takes less than is sent. Try again later."""
