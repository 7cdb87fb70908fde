"""What can go wrong with Kafka, in words for the reader."""

from __future__ import annotations

from etld.errors import EtldError


class KafkaProblem(EtldError):
    """Kafka did not do what was asked; the message names the broker's answer."""

    code = "ETLD-K002"


class SettingsRefused(KafkaProblem):
    """The client library does not take an option, or a file that it names: only a person can mend that."""

    code = "ETLD-K003"


class TooLarge(KafkaProblem):
    """The record is larger than the producer sends; no other is concerned."""


class QueueFull(KafkaProblem):
    """The producer's queue is full: Kafka takes less than is sent. Try again later."""


class ConsumerBroken(KafkaProblem):
    """The consumer cannot go on as it is: it is closed, and partitions are claimed anew."""

    code = "ETLD-K013"


class InstanceFenced(KafkaProblem):
    """Another process joined the consumer group with the same static id."""

    code = "ETLD-K009"

    def __init__(self, instance: str) -> None:
        super().__init__(
            f"another process joined the consumer group as {instance!r}: two daemons have the same"
            " node_id. Give each its own node_id in the configuration."
        )
