"""A host: a machine of the network with an etld of its own."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cluster.network import Place
from faults.clock import Clock
from faults.system import said_in
from support.daemon import Daemon

#: The port of ingest, the same on each.
PORT = 8080


class Host:
    """One etld in a place: node_id, host name, state directory and address are its own, and the clock where wanted."""

    def __init__(self, place: Place, directory: Path, *, clock: bool = False) -> None:
        self.place = place
        self.name = place.name
        self.daemon = Daemon(directory / place.name)
        self.daemon.address = place.address
        self.daemon.become = place.enter
        #: No balancer sends anything to it.
        self.dark = False
        self.clock = Clock(self.daemon.directory) if clock else None
        if self.clock is not None:
            self.daemon.env |= self.clock.env

    def configure(self, changes: dict[str, Any]) -> None:
        """The configuration of all, with what is its own."""
        self.daemon.configure({**changes, "node_id": self.name, "ingest.host": "0.0.0.0", "ingest.port": PORT})

    @property
    def log(self) -> Path:
        """What its daemon says."""
        return self.daemon.state_dir / "log" / "foreground.log"

    def log_end(self) -> int:
        """Where the log ends now, for said()."""
        return self.log.stat().st_size

    def said(self, *texts: str, since: int = 0) -> list[str]:
        """Messages of its log that contain one of the texts."""
        return said_in(self.log, *texts, since=since)

    def runs(self) -> bool:
        """Has it any process?"""
        return bool(self.place.pids())

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.daemon.start()
        self.dark = False

    def leave(self) -> None:
        """Stop it as for good: it says goodbye."""
        self.dark = True
        self.daemon.stop()

    def die(self) -> None:
        """The machine goes dark: every process ends, and nobody is told."""
        self.dark = True
        self.place.power_off()

    def come_back(self) -> None:
        """The machine is on again, and etld starts."""
        self.place.plug()
        self.start()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Every process of it stands still, as in a virtual machine that is moved."""
        self.dark = True
        self.place.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.thaw()

    def thaw(self) -> None:
        """They go on."""
        self.place.signal(signal.SIGCONT)
        self.dark = False
