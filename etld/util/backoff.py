"""How long to wait before trying again: longer each time, never the same for all who wait."""

from __future__ import annotations

import random


class Backoff:
    """Pauses that double from `first` to `longest` seconds, each within `jitter` (a share) of its value.

    >>> backoff = Backoff(0.2, 5.0)
    >>> wait(backoff.next())  # about 0.2 s, then 0.4 s, …
    >>> backoff.reset()       # after a success
    """

    __slots__ = ("_first", "_jitter", "_longest", "_next")

    def __init__(self, first: float, longest: float, jitter: float = 0.3) -> None:
        self._first = first
        self._longest = longest
        self._jitter = jitter
        self._next = first

    def next(self) -> float:
        """Seconds to wait before the next try."""
        pause = self._next * random.uniform(1 - self._jitter, 1 + self._jitter)  # noqa: S311  # no secret
        self._next = min(self._next * 2, self._longest)
        return pause

    def reset(self) -> None:
        """Begin anew: the last try succeeded."""
        self._next = self._first
