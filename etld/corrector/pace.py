"""How many repairs may go out now."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Pace:
    """A bucket of tokens, a second's worth at most; `rate` a second, 0 is no limit. Times are monotonic."""

    rate: float
    tokens: float = 0.0
    last: float | None = None

    def allowed(self, now: float, most: int) -> int:
        """How many may go, at most `most`. Only what goes is taken, with `spend`."""
        if not self.rate:
            return most
        elapsed = 0.0 if self.last is None else now - self.last
        # A tenth of a second's worth at once: a replay is a stream beside the live one, not a burst.
        self.tokens = min(max(1.0, self.rate / 10), self.tokens + elapsed * self.rate)
        self.last = now
        return min(most, int(self.tokens))

    def spend(self, count: int) -> None:
        """So many went."""
        if self.rate:
            self.tokens -= count
