"""How long a thread had to wait for a processor."""

from __future__ import annotations

from pathlib import Path

from etld.util.cpu_wait import schedstat

_THREAD = Path("/proc/thread-self")


class CpuPressure:
    """Tells a thread how long it waited for a processor that others had: none does where nothing else runs.

    Where the kernel does not tell, nobody is ever in the way.
    """

    def __init__(self) -> None:
        self._seen = _waited()

    def waited(self) -> float:
        """Seconds since the last call, of the thread that made this and calls it."""
        before, self._seen = self._seen, _waited()
        return self._seen - before


def _waited() -> float:
    try:
        return schedstat(_THREAD)[1]
    except (OSError, ValueError):
        return 0.0
