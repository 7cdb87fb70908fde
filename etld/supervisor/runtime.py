"""What the daemon holds of the machine: directories, pid file, sockets."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.control import server
from etld.supervisor.kinds import Kinds, listening_indices, specs
from etld.supervisor.network import addresses
from etld.supervisor.network.listeners import Listeners
from etld.supervisor.processes.pidfile import PidFile

if TYPE_CHECKING:
    from etld.config import Config


@dataclass(frozen=True, slots=True)
class Runtime:
    """Taken before the daemon detaches, so that whoever starts it sees what is wrong."""

    pidfile: PidFile
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
            addresses.make_kafka_passfile(config)
            count = len(listening_indices(kinds, specs(kinds, config)))
            listeners = Listeners.bind(config.ingest.host, ports["http"], count)
            undo.callback(listeners.close)
            control = server.bind(config.socket_path)
            undo.pop_all()
        return cls(pidfile, listeners, control)

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
