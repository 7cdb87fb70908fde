"""What the daemon holds of the machine: directories, pid file, ports, sockets."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.control import server
from etld.supervisor.kinds import Kinds, specs
from etld.supervisor.network import addresses
from etld.supervisor.network.listeners import Listeners
from etld.supervisor.processes.pidfile import PidFile

if TYPE_CHECKING:
    from etld.config import Config


@dataclass(slots=True)
class Runtime:
    """Taken before the daemon detaches, so that whoever starts it sees what is wrong."""

    pidfile: PidFile
    ports: dict[str, int]
    listeners: Listeners
    control: socket.socket

    @classmethod
    def acquire(cls, config: Config, kinds: Kinds) -> Runtime:
        """Take everything, or raise EtldError and hold nothing."""
        addresses.make_directories(config)
        with contextlib.ExitStack() as undo:
            pidfile = PidFile.lock(config.pid_path)
            undo.callback(pidfile.remove)
            ports = addresses.choose_ports(config)
            addresses.check_embedded_ports(config, ports)
            listeners = Listeners.bind(config.ingest.host, ports["http"], listening_slots(config, kinds))
            undo.callback(listeners.close)
            control = server.bind(config.socket_path)
            undo.pop_all()
        return cls(pidfile, ports, listeners, control)

    def release(self, config: Config) -> None:
        """Give everything back; the pid file last."""
        with contextlib.suppress(FileNotFoundError):
            config.socket_path.unlink()
        self.listeners.close()
        self.control.close()
        self.pidfile.remove()

    def forget(self) -> None:
        """Close this process's copies: the daemon that was forked holds its own."""
        self.listeners.close()
        self.control.close()
        os.close(self.pidfile.fd)


def listening_slots(config: Config, kinds: Kinds) -> int:
    """How many slots have a socket of their own."""
    return sum(1 for spec in specs(kinds, config) if kinds[spec.kind].listens)
