"""How many repairs may go out now, and when the others go first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_SCHEDSTAT = Path("/proc/thread-self/schedstat")


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


class Crowd:
    """Tells a thread how long it waited for a processor that others had: none does where nothing else runs.

    The numbers are the Linux kernel's (`Documentation/scheduler/sched-stats.rst`: time on the processor, time on a
    run queue, both in nanoseconds); where there are none, nobody is ever in the way.
    """

    def __init__(self) -> None:
        self._seen = _waited()

    def waited(self) -> float:
        """Seconds since the last call, of the thread that made this and calls it."""
        before, self._seen = self._seen, _waited()
        return (self._seen - before) / 1e9


def _waited() -> int:
    try:
        return int(_SCHEDSTAT.read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
