"""The live processes: spoken to, listened to, and reaped."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from etld.supervisor.reactor import READ, Reactor

if TYPE_CHECKING:
    from etld.supervisor.processes.channels import Channels
    from etld.supervisor.processes.spawn import Process


class Children:
    """By pid; `on_end` is called with a process that has ended and its exit code (negative for a signal)."""

    def __init__(self, reactor: Reactor, channels: Channels, on_end: Callable[[Process, int], None]) -> None:
        self._reactor = reactor
        self._channels = channels
        self._on_end = on_end
        self._processes: dict[int, Process] = {}

    def __iter__(self) -> Iterator[Process]:
        """Every process; some may end meanwhile."""
        return iter(list(self._processes.values()))

    def __contains__(self, pid: object) -> bool:
        return pid in self._processes

    def __len__(self) -> int:
        return len(self._processes)

    def get(self, pid: int | None) -> Process | None:
        """A live process, or None."""
        return self._processes.get(pid) if pid is not None else None

    def named(self, name: str) -> list[Process]:
        """The processes of one slot: the one in it, and those before it that have not ended."""
        return [process for process in self if process.name == name]

    def add(self, process: Process) -> None:
        """Listen to a process, and wait for its end."""
        self._processes[process.pid] = process
        self._channels.watch(process)
        self._reactor.watch(process.pidfd, READ, lambda _events: self.reap(process.pid))

    def listen(self, pid: int | None) -> None:
        """Take what a process has said, before it is judged by its silence."""
        process = self.get(pid)
        if process is not None and not process.muted:
            self._channels.read(process)

    def send(self, pid: int | None, message: dict[str, Any]) -> None:
        """Send a worker a message."""
        process = self.get(pid)
        if process is not None:
            self._channels.send(process, message)

    def broadcast(self, message: dict[str, Any], pids: Iterable[int | None]) -> None:
        """Send it to these workers; one that has not read the last message is spared another."""
        for process in filter(None, map(self.get, pids)):
            if not process.channel.pending:
                self._channels.send(process, message)

    def reload(self, pid: int | None, config: str) -> Process | None:
        """Send a worker a new configuration; the process, which counts those it has taken."""
        process = self.get(pid)
        if process is not None:
            process.told += 1
            self._channels.send(process, {"type": "reload", "config": config})
        return process

    def ask_to_stop(self, pid: int | None, leaves: str | None = None) -> None:
        """By a message and by SIGTERM: one of the two is noticed first. `leaves`: see `etld.worker.channel`."""
        process = self.get(pid)
        if process is not None:
            self._channels.send(process, {"type": "stop", "leaves": leaves})
            process.signal(signal.SIGTERM)

    def kill(self, pid: int | None, number: signal.Signals) -> None:
        """Send a signal."""
        process = self.get(pid)
        if process is not None:
            process.signal(number)

    def signal_all(self, number: signal.Signals) -> None:
        """Signal every process."""
        for process in self:
            process.signal(number)

    def reap(self, pid: int) -> None:
        """A child ended, as its pidfd or waitid() says."""
        try:
            found, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            found, status = pid, 0
        process = self._processes.get(pid)
        if found != pid or process is None:
            return
        self._channels.read(process)  # what it sent last
        self._reactor.unwatch(process.channel.fileno())
        self._reactor.unwatch(process.pidfd)
        process.close()
        del self._processes[pid]
        self._on_end(process, os.waitstatus_to_exitcode(status))

    def reap_orphans(self, is_known: Callable[[int], bool]) -> None:
        """As process 1: orphans of other processes end here too; `is_known` reaps what somebody else waits for."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            if found.si_pid in self:
                self.reap(found.si_pid)
            elif not is_known(found.si_pid):
                os.waitpid(found.si_pid, 0)
