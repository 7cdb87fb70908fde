"""How long a thread had to wait for a processor."""

from __future__ import annotations

from pathlib import Path

_SCHEDSTAT = Path("/proc/thread-self/schedstat")


class CpuPressure:
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
