"""One selector for everything: descriptors with a callback, and signals as bytes of the wakeup pipe."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
from collections.abc import Callable

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
#: What the supervisor handles.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)
Callback = Callable[[int], None]


class Reactor:
    """Waits for descriptors and signals. Handlers only write a byte; everything else happens in run_once()."""

    def __init__(self, on_signal: Callable[[signal.Signals], None]) -> None:
        self._selector = selectors.DefaultSelector()
        self._on_signal = on_signal
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._reader = reader
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)
            signal.siginterrupt(number, False)
        self.watch(reader, READ, lambda _events: self.take_signals())

    def watch(self, fd: int, events: int, callback: Callback) -> None:
        """Call back when `fd` is ready for one of `events`; again for the same fd: change what is awaited."""
        try:
            self._selector.modify(fd, events, callback)
        except KeyError:
            self._selector.register(fd, events, callback)

    def unwatch(self, fd: int) -> None:
        """Forget a descriptor; an unknown one is fine."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(fd)

    def run_once(self, timeout: float) -> None:
        """Wait at most `timeout` seconds, then call back for all that is ready."""
        for key, events in self._selector.select(max(0.0, timeout)):
            if self._selector.get_map().get(key.fd) is key:  # not dropped by a callback before it
                key.data(events)

    def take_signals(self) -> None:
        """Call back for the signals that have come so far."""
        try:
            numbers = os.read(self._reader, 512)
        except BlockingIOError:
            return
        for number in dict.fromkeys(numbers):
            self._on_signal(signal.Signals(number))
