"""What became of records that were sent, as a producer's caller learns it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

#: How the client tells: its error or None, and its message. Only `Receipt` and others of this folder take it.
OnDelivery = Callable[[Any, Any], None]


class _Sender(Protocol):
    """The producer: what `delivered` tells of it as a whole."""

    heard: bool
    broken: str


class Receipt:
    """Waits for the acknowledgements of `expected` records; give `produce` its `delivered`.

    The client calls `delivered` itself, for every record of ingest, in the thread that polls: so the counting is
    here, where the client's objects are known, and a subclass is only told of the end.
    """

    __slots__ = ("acks", "expected", "failed", "sender")

    def __init__(self, sender: _Sender, expected: int) -> None:
        self.sender = sender
        self.expected = expected
        self.acks = 0
        #: Key and reason of each record that Kafka did not take; None while there is none.
        self.failed: list[tuple[bytes | None, str]] | None = None

    def delivered(self, error: Any, message: Any) -> None:
        """One record is written, or given up."""
        if error is None:
            self.sender.heard = True
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
