"""How long a process was ready to run, and other processes had the CPUs: what a busy machine takes from it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

_NANOSECOND = 1e-9


@dataclass(frozen=True, slots=True)
class _Thread:
    """`ran` and `waited` as the kernel counts them, in seconds; `ready_since` while it waits and has not run yet."""

    ran: float
    waited: float
    ready_since: float | None


def schedstat(task: Path) -> tuple[float, float]:
    """How long a thread ran, and how long it waited for a CPU, in seconds; `task` is its directory in /proc.

    The numbers are the Linux kernel's (`Documentation/scheduler/sched-stats.rst`). Raises OSError or ValueError where
    there are none (CONFIG_SCHED_INFO).
    """
    ran, waited, _ = task.joinpath("schedstat").read_bytes().split()
    return int(ran) * _NANOSECOND, int(waited) * _NANOSECOND


class CpuWait:
    """Looks at a process from now on. Without the kernel's figures (CONFIG_SCHED_INFO) nothing is ever waited for."""

    def __init__(self, pid: int) -> None:
        self._tasks = Path(f"/proc/{pid}/task")
        self._first: dict[str, _Thread] = {}
        self._last: dict[str, _Thread] = {}
        self._told = 0.0
        self._look()
        self._first = self._last

    def age(self, now: float) -> float:
        """Seconds since the last look; `now` is monotonic."""
        return now - self._looked

    def seconds(self) -> float:
        """How long the thread waited that waited longest, since the first look.

        The threads of one process wait for each other, in turn; so theirs are not added up.
        """
        now = self._look()
        waited = 0.0
        for name, thread in self._last.items():
            before = self._first.get(name)
            pending = now - thread.ready_since if thread.ready_since is not None else 0.0
            waited = max(waited, thread.waited - (before.waited if before else 0.0) + pending)
        return waited

    def more(self) -> float:
        """What `seconds` has grown by since the last call of this."""
        before, self._told = self._told, max(self._told, self.seconds())
        return self._told - before

    def _look(self) -> float:
        self._looked = now = time.monotonic()
        found = {}
        try:
            for task in self._tasks.iterdir():
                # The wait that goes on is counted by the kernel only when it ends.
                state = task.joinpath("stat").read_bytes().rpartition(b")")[2].split()[0]
                thread = _Thread(*schedstat(task), now if state == b"R" else None)
                before = self._last.get(task.name)
                if before and before.ready_since is not None and state == b"R" and before.ran == thread.ran:
                    thread = before
                found[task.name] = thread
        except (OSError, ValueError, IndexError):
            pass  # it ends, or the kernel does not say
        self._last = found
        return now
