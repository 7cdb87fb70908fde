"""Reading from and writing to the workers' channels, so that no worker can hold the supervisor up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from etld.supervisor.reactor import READ, WRITE, Reactor

if TYPE_CHECKING:
    from etld.supervisor.processes.spawn import Process

log = logging.getLogger("etld.supervisor")

#: A worker that sends more than this in a second is broken, and killed.
FLOOD_MESSAGES = 5000
FLOOD_BYTES = 8 * 1024 * 1024
_AT_ONCE = 64 * 1024


class Channels:
    """`on_message` is called with every message of a process, `on_flood` when it sends without measure."""

    def __init__(
        self,
        reactor: Reactor,
        on_message: Callable[[Process, dict[str, Any]], None],
        on_flood: Callable[[Process], None],
    ) -> None:
        self._reactor = reactor
        self._on_message = on_message
        self._on_flood = on_flood

    def watch(self, process: Process) -> None:
        """Listen to a process."""
        self._reactor.watch(process.channel.fileno(), READ, lambda events: self._serve(process, events))

    def send(self, process: Process, message: dict[str, Any]) -> None:
        """Send a message, now or when the process reads."""
        process.channel.send(message)
        self._await_write(process)

    def read(self, process: Process) -> None:
        """Take what has come, a bounded piece at a time, so that each process has its turn."""
        before = process.channel.received
        messages = process.channel.receive(_AT_ONCE)
        for message in messages:
            try:
                self._on_message(process, message)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                log.warning("%s: invalid message from worker: %s: %s", process.name, type(error).__name__, error)
        process.sent_bytes += process.channel.received - before
        process.sent_messages += len(messages)
        if process.sent_messages > FLOOD_MESSAGES or process.sent_bytes > FLOOD_BYTES:
            process.muted = True
            self._reactor.unwatch(process.channel.fileno())
            self._on_flood(process)

    def _serve(self, process: Process, events: int) -> None:
        if events & WRITE:
            process.channel.flush()
        if events & READ:
            self.read(process)
        if not process.muted:
            self._await_write(process)

    def _await_write(self, process: Process) -> None:
        """Wait until the process takes what is waiting for it, or for no such thing any more."""
        channel = process.channel
        if channel.closed:
            self._reactor.unwatch(channel.fileno())
        elif bool(channel.pending) != process.watched_write:
            process.watched_write = not process.watched_write
            events = READ | WRITE if process.watched_write else READ
            self._reactor.watch(channel.fileno(), events, lambda events: self._serve(process, events))
