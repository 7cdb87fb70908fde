"""What every embedded server has in common: one child, one log, a probe, a gentle stop."""

from __future__ import annotations

import abc
import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from etld.embedded import process
from etld.errors import EtldError, PortTaken
from etld.util.ports import LOOPBACK, is_free

Tick = Callable[[str], None]


class EmbeddedServer(abc.ABC):
    """A server on loopback: start(), wait_ready(), probe() now and then, stop()."""

    what: ClassVar[str]
    port_key: ClassVar[str]
    #: Signals that end it, with the seconds each is given; SIGKILL comes after the last.
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]]

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self.log = log
        self.child: subprocess.Popen[bytes] | None = None
        self._since = 0

    @abc.abstractmethod
    def prepare(self, tick: Tick) -> None:
        """Make what the server needs on disk; may be slow: calls tick(what is going on) meanwhile."""

    @abc.abstractmethod
    def launch(self) -> subprocess.Popen[bytes]:
        """Start the server's process."""

    @abc.abstractmethod
    def probe(self) -> bool:
        """Would it serve a client now? Cheap."""

    def start(self, tick: Tick = lambda _said: None) -> None:
        """prepare() and launch(). Raises EtldError, PortTaken."""
        self._await_port(tick)
        self.prepare(tick)
        with contextlib.suppress(FileNotFoundError):
            self._since = self.log.stat().st_size
        self.child = self.launch()

    def wait_ready(self, timeout: float, tick: Tick = lambda _said: None) -> None:
        """Return once probe() says yes; EtldError when the server ends first or takes too long."""
        until = time.monotonic() + timeout
        while not self.probe():
            self.check()
            if time.monotonic() > until:
                raise EtldError(f"{self.what} was not ready within {timeout:.0f} s; see {self.log}", code="ETLD-S025")
            tick(f"{self.what} is starting")
            time.sleep(0.05)

    def check(self) -> None:
        """Raise EtldError when the server has ended."""
        if self.child is None or self.child.poll() is not None:
            raise self._ended()

    def stop(self) -> None:
        """End the server and wait for it."""
        if self.child is not None:
            process.stop(self.child, self.stop_steps)

    def _ended(self) -> EtldError:
        if self.child is None:
            return EtldError(f"{self.what} was not started", code="ETLD-S025")
        return process.ended(self.child, self.what, self.log, self._since)

    def _await_port(self, tick: Tick) -> None:
        """A predecessor that was just killed may hold the port for a moment."""
        until = time.monotonic() + 5.0
        while not is_free(self.port):
            if time.monotonic() > until:
                raise PortTaken(
                    f"port {self.port} of {LOOPBACK} is in use by another program, and {self.what} is to listen"
                    f" there: stop that program, or set {self.port_key}"
                )
            tick(f"waiting for port {self.port}")
            time.sleep(0.1)
