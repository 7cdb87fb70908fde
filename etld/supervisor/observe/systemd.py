"""systemd's notification protocol, sd_notify(3): one datagram a message."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class ServiceManager:
    """Tells the service manager how things are; does nothing when there is none."""

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        self._address = env.get("NOTIFY_SOCKET", "")
        self._status = ""
        usec = env.get("WATCHDOG_USEC", "")
        for_us = env.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        #: Seconds between two signs of life, or None when nobody waits for them.
        self.watchdog = int(usec) / 2_000_000 if usec.isdigit() and for_us else None
        self._next_watchdog = 0.0

    def ready(self, status: str) -> None:
        """Start-up, or a reload, is over."""
        self._status = status
        self._send(f"READY=1\nSTATUS={status}\nMAINPID={os.getpid()}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`, sent when it changes."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def reloading(self) -> None:
        """A reload begins; ready() ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def alive(self, now: float) -> None:
        """The loop went round; sent at half the watchdog's interval."""
        if self.watchdog is not None and now >= self._next_watchdog:
            self._next_watchdog = now + self.watchdog
            self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, kind) as sock:
            sock.setblocking(False)
            sock.sendto(message.encode(), address)
