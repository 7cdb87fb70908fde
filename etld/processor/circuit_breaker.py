"""The circuit breaker: most of what comes is dead, so stop before the topic is emptied into the queue."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass
class CircuitBreaker:
    """Closed: all goes. Open: nothing goes. Half open: one batch of at most `window` records tries.

    It opens when more than `ratio` of the last `window` records, once so many were seen, are dead; 0 turns
    it off. After `retry_after` seconds (0: never) it is half open. Times are of a monotonic clock.
    """

    ratio: float
    window: int
    retry_after: float
    _runs: deque[tuple[int, int]] = field(default_factory=deque)
    _seen: int = 0
    _dead: int = 0
    _opened_at: float | None = None
    _trying: bool = False

    @property
    def share(self) -> float:
        """The share of dead records in the window."""
        return self._dead / self._seen if self._seen else 0.0

    def blocks(self, now: float) -> bool:
        """May no batch be read now? Half opens when it is time."""
        if self._opened_at is None or self._trying:
            return False
        if self.retry_after and now - self._opened_at >= self.retry_after:
            self._trying = True
            return False
        return True

    def limit(self, records: int, dead: int) -> int | None:
        """How many records of a prepared batch may be written at once, or None for all of them."""
        if not self.ratio or records <= self.window:
            return None
        return self.window if self._trying or dead > self.ratio * self.window else None

    def record(self, records: int, dead: int, now: float) -> bool:
        """Count a written batch; True when the breaker opened with it."""
        if not self.ratio or not records:
            return False
        if self._trying:
            self._trying = False
            if dead > self.ratio * records:
                self._opened_at = now
                return True
            self.reset()
        self._runs.append((records, dead))
        self._seen += records
        self._dead += dead
        while self._runs and self._seen - self._runs[0][0] >= self.window:
            old_records, old_dead = self._runs.popleft()
            self._seen -= old_records
            self._dead -= old_dead
        if self._seen >= self.window and self._dead > self.ratio * self._seen:
            self._opened_at = now
            return True
        return False

    def reset(self) -> None:
        """Close, and forget what was seen."""
        self._runs.clear()
        self._seen = self._dead = 0
        self._opened_at = None
        self._trying = False
