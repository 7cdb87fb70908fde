"""The metrics as ingest's workers show them: made once for all of them, so that scrapes cost next to nothing."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable

#: Seconds that one is good for.
_FRESH = 1.0
#: Of the supervisor's time, so much goes into making them at most.
_EFFORT = 0.05
_FAST = 1


class SharedExposition:
    """The Prometheus text of the daemon, compressed, as of at most a second ago."""

    def __init__(self, render: Callable[[], str]) -> None:
        self._render = render
        self._packed = b""
        self._until = 0.0

    def packed(self) -> tuple[bytes, float]:
        """The text in zlib's format, and for how many seconds it is good: kept longer, numbers would seem to fall."""
        began = now = time.monotonic()
        if began >= self._until:
            self._packed = zlib.compress(self._render().encode(), _FAST)
            now = time.monotonic()
            self._until = now + max(_FRESH, (now - began) / _EFFORT)
        return self._packed, self._until - now
