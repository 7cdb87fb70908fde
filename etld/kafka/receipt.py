"""What became of records that were sent, as a producer's caller learns it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from confluent_kafka import KafkaError

#: How the client tells: its error or None, and its message. Only `Receipt` and others of this folder take it.
OnDelivery = Callable[[Any, Any], None]


class Oversized(NamedTuple):
    """A record that was refused for the size of its batch; perhaps it alone is small enough."""

    topic: str
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]] | None


class _Sender(Protocol):
    """The producer: what `delivered` tells of it as a whole."""

    heard: bool
    broken: str


class Receipt:
    """Waits for the acknowledgements of `expected` records; give `produce` its `delivered`.

    The client calls `delivered` itself, for every record of ingest, in the thread that polls: so the counting is
    here, where the client's objects are known, and a subclass is only told of the end.
    """

    __slots__ = ("acks", "expected", "failed", "oversized", "sender")

    def __init__(self, sender: _Sender, expected: int) -> None:
        self.sender = sender
        self.expected = expected
        self.acks = 0
        #: Key and reason of each record that Kafka did not take; None while there is none.
        self.failed: list[tuple[bytes | None, str]] | None = None
        #: What Kafka refused for its size, which says nothing of the others of its batch; None while there is none.
        self.oversized: list[Oversized] | None = None

    def delivered(self, error: Any, message: Any) -> None:
        """One record is written, or given up."""
        if error is None:
            self.sender.heard = True
        elif error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            self.sender.heard = True
            if self.oversized is None:
                self.oversized = []
            self.oversized.append(Oversized(message.topic(), message.key(), message.value(), message.headers()))
        else:
            text = str(error)
            if error.fatal():
                self.sender.broken = text
            if self.failed is None:
                self.failed = []
            self.failed.append((message.key(), text))
        self.acks += 1
        if self.acks >= self.expected:
            self.complete()

    def complete(self) -> None:
        """All that were expected until now are written or given up; may come more than once."""
        raise NotImplementedError
