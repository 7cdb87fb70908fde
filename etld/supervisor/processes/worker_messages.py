"""What workers say to the supervisor, and what waits to be said to them."""

from __future__ import annotations

import logging
import signal
import time
from typing import TYPE_CHECKING, Any

from etld.supervisor.reactor import READ, WRITE
from etld.supervisor.slots import machine

if TYPE_CHECKING:
    from etld.supervisor.processes.spawn import Process
    from etld.supervisor.processes.tree import Tree

log = logging.getLogger("etld.supervisor")

#: A worker that says more than this in a second is out of its mind.
FLOOD_MESSAGES = 5000
FLOOD_BYTES = 8 * 1024 * 1024
_AT_ONCE = 64 * 1024


class Mail:
    """The channels of a tree's processes."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def watch(self, process: Process) -> None:
        """Listen to a process."""
        self._tree.reactor.watch(process.channel.fileno(), READ, lambda events: self._serve(process, events))

    def await_write(self, process: Process) -> None:
        """Wait until the process takes what is waiting for it, or for no such thing any more."""
        reactor, channel = self._tree.reactor, process.channel
        if channel.closed:
            reactor.unwatch(channel.fileno())
        elif bool(channel.pending) != process.watched_write:
            process.watched_write = not process.watched_write
            events = READ | WRITE if process.watched_write else READ
            reactor.watch(channel.fileno(), events, lambda events: self._serve(process, events))

    def read(self, process: Process) -> None:
        """Take what has come, a bounded piece at a time: nobody is heard at the others' expense."""
        now = time.monotonic()
        before = process.channel.received
        messages = process.channel.receive(_AT_ONCE)
        for message in messages:
            try:
                self._take(process, message, now)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                log.warning("%s: said something senseless (%s)", process.name, error)
        process.flood_bytes += process.channel.received - before
        process.flood_messages += len(messages)
        if process.flood_messages > FLOOD_MESSAGES or process.flood_bytes > FLOOD_BYTES:
            self._silence(process, now)

    def _serve(self, process: Process, events: int) -> None:
        if events & WRITE:
            process.channel.flush()
        if events & READ:
            self.read(process)
        if process.pid in self._tree.processes and not process.silenced:
            self.await_write(process)

    def _silence(self, process: Process, now: float) -> None:
        process.silenced = True
        self._tree.reactor.unwatch(process.channel.fileno())
        slot = self._tree.slots.get(process.name)
        if slot is not None and slot.pid == process.pid:
            self._tree.end(slot, now, "flooded the supervisor with messages")
        else:
            process.signal(signal.SIGKILL)

    def _take(self, process: Process, message: dict[str, Any], now: float) -> None:
        tree = self._tree
        slot = tree.slots.get(process.name)
        what = message.get("type")
        if what == "beat":
            tree.ledger.beat(process.pid, message, now)
        elif what == "reloaded":
            process.taken += 1
            refused = message.get("error")
            process.refused = None if refused is None else str(refused)
        if slot is None or slot.pid != process.pid:
            return
        if what == "ready":
            tree.put(machine.is_ready(slot, now))
            tree.progress.pop(slot.name, None)
            log.info("%s: ready after %.1f s", slot.name, now - slot.spawned)
            tree.release(slot.name, now)
            return
        tree.put(machine.is_heard(slot, now))
        if what == "progress":
            tree.progress[slot.name] = str(message["text"])
        elif what == "paused":
            tree.put(machine.is_at_rest(tree.slots[slot.name]))
        elif what in ("fatal", "error"):
            text = str(message.get("reason") or message.get("message"))
            tree.put(machine.complained(tree.slots[slot.name], text, fatal=what == "fatal"))
