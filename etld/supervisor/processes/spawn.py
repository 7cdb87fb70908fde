"""Forking one worker, and what must be true around a fork."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from etld import __version__
from etld.supervisor.kinds import WorkerKind
from etld.util.cpu_wait import CpuWait
from etld.worker import Positions, SlotSpec
from etld.worker.channel import Channel, pair

log = logging.getLogger("etld.supervisor")

ChildMain = Callable[[Channel], NoReturn]

_STACKS = "etld-stacks"
_MOST_STACKS = 65536
#: In a worker: the file in memory for its stacks, which the supervisor reads when the worker has ended.
stacks_fd = -1


@dataclass(slots=True)
class Process:
    """A live child: its descriptors, and when it began (monotonic)."""

    name: str
    kind: str
    pid: int
    pidfd: int
    channel: Channel
    began: float
    version: str = __version__
    #: Was it forked by the program that ran before this one (of whatever version)?
    inherited: bool = False
    #: Resident memory in bytes, at the last look.
    memory: int = 0
    #: What a slow start is doing, in the worker's words.
    progress: str | None = None
    #: What it has sent in the current second.
    sent_bytes: int = 0
    sent_messages: int = 0
    #: It sent too much, and is not listened to any more.
    muted: bool = False
    watched_write: bool = False
    #: How many new configurations it was sent, and how many of them it has taken.
    told: int = 0
    taken: int = 0
    #: Why it works on by the old one; None when it took the last.
    refused: str | None = None
    stacks: int | None = None
    #: The configuration that it works by (plan.snapshot); None when the program before this one started it.
    snapshot: Mapping[str, Any] | None = None
    #: Since when it is silent, and what it has waited for a CPU since; None while it speaks.
    silent_since: float | None = None
    cpu_wait: CpuWait | None = None
    #: Where it came to rest after a pause: offsets by (topic, partition).
    positions: Positions = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.stacks is None:  # a child of the program before this one
            self.stacks = _find_stacks(self.pid)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; a process that is gone already is fine."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def close(self) -> None:
        """Close the descriptors, and tell where it stood when it crashed or was aborted."""
        self.channel.close()
        os.close(self.pidfd)
        if self.stacks is not None:
            text = os.pread(self.stacks, _MOST_STACKS, 0).decode(errors="replace").strip()
            os.close(self.stacks)
            if text:
                reason = text.partition("\n")[0]
                log.error("stacks of its threads: %s", reason, extra={"on_behalf": self.name, "stacks": text})


def fork(spec: SlotSpec, kind: WorkerKind, child: ChildMain, now: float) -> Process:
    """Fork a worker; `child` runs in it and never returns. Raises OSError when the system refuses."""
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        raise RuntimeError(f"the supervisor has {threads} threads: a fork could inherit a lock held for ever")
    ours, theirs = pair()
    stacks = os.memfd_create(_STACKS)
    flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            global stacks_fd  # noqa: PLW0603  # this process begins here
            stacks_fd = stacks
            random.seed()
            child(theirs)
    except BaseException:
        ours.close()
        theirs.close()
        os.close(stacks)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return Process(spec.name, kind.name, pid, os.pidfd_open(pid), ours, now, stacks=stacks)


def _find_stacks(pid: int) -> int | None:
    """The descriptor of a live child's file for stacks, by way of its own."""
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            if str(entry.readlink()).startswith(f"/memfd:{_STACKS}"):
                return os.open(entry, os.O_RDONLY | os.O_CLOEXEC)
    return None


def flush() -> None:
    """Write out what is buffered, so that no child writes it a second time."""
    for handler in logging.getLogger().handlers:
        handler.flush()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def resident(pid: int) -> int:
    """A process's resident memory in bytes; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
