"""When charts are drawn."""

from __future__ import annotations

from dataclasses import dataclass

# Under load, drawing takes at most one part in so many of the time.
_SHARE = 10
_RETRY = 10.0


@dataclass
class DrawingSchedule:
    """Drawn after `every` seconds, after `every_events`, and when nothing came for `idle` seconds.

    Pure: times are of a monotonic clock. Something not yet drawn is assumed at first.
    """

    every: float
    every_events: int
    idle: float
    drawn_at: float
    last_event: float
    events: int = 1
    not_before: float = 0.0
    retry_at: float = 0.0

    def counted(self, events: int, now: float) -> None:
        """So many events came."""
        if events:
            self.events += events
            self.last_event = now

    def due(self, now: float) -> bool:
        """Is it time to draw?"""
        if not self.events or now < self.retry_at:
            return False
        if now - self.last_event >= self.idle:
            return True
        if now < self.not_before:
            return False
        return now - self.drawn_at >= self.every or self.events >= self.every_events

    def drawn(self, events: int, began: float, now: float) -> None:
        """A drawing that showed `events` of them is done."""
        self.events -= events
        self.drawn_at = began
        self.not_before = now + (_SHARE - 1) * (now - began)

    def failed(self, now: float) -> None:
        """Nothing was drawn: again, but not at once."""
        self.retry_at = now + _RETRY
