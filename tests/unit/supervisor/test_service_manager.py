"""What the service manager is told."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from etld.supervisor.observe.systemd import ServiceManager


def test_notifications(tmp_path: Path) -> None:
    """Watchdog at half its interval; a status once; nothing without a manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.setblocking(False)
        env = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())}
        notifier = ServiceManager(env)
        for now in (0.0, 1.0, 2.0, 3.9, 4.0):
            notifier.alive(now)
        notifier.status("a")
        notifier.status("a")
        said = []
        while True:
            try:
                said.append(manager.recv(999))
            except BlockingIOError:
                break
    assert said == [b"WATCHDOG=1"] * 3 + [b"STATUS=a"]
    ServiceManager({}).ready("nobody listens")
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("it has gone")
    assert ServiceManager({"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}).watchdog is None
