"""Events that the table of events took without an error and does not have: a fault that stands for a while."""

from __future__ import annotations

# Seconds; a trigger swallows now and then, and whoever looks in between must see it.
_STANDS_FOR = 600.0


class Swallowed:
    """Counts them until nothing has been swallowed for ten minutes."""

    def __init__(self) -> None:
        self._events = 0
        self._last = 0.0
        self._why = ""

    def saw(self, events: int, why: str, now: float) -> None:
        """Note `events` of one batch, and why; none changes nothing."""
        if events:
            self._events += events
            self._why, self._last = why, now

    def problem(self, topic: str, now: float) -> str | None:
        """The fault, in words, or None."""
        if self._events and now - self._last >= _STANDS_FOR:
            self.reset()
        if not self._events:
            return None
        return (
            f"{topic}: {self._why} ({self._events} events so far; each is a dead letter). Mend that,"
            " then `etld dlq replay`"
        )

    def reset(self) -> None:
        """Forget them."""
        self._events = 0
