"""Another version of this program in the same process: sockets, children and counts are handed over."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from pathlib import Path

from etld.supervisor.config_checks import load
from etld.supervisor.network.listeners import Listeners
from etld.supervisor.observe.startup_notifier import Herald
from etld.supervisor.processes.pidfile import PidFile
from etld.supervisor.processes.spawn import Process
from etld.supervisor.reload import operations
from etld.supervisor.runtime import Runtime
from etld.supervisor.supervisor import SIGNALS, Supervisor
from etld.supervisor.upgrade import handover
from etld.worker.channel import Channel

log = logging.getLogger("etld.supervisor")


def execute(daemon: Supervisor) -> None:
    """Replace the program; returns only when something else is to be done first, or the system refuses.

    Until the next program has its handlers, a signal would end it: signals wait from here on (the mask
    survives exec), and those that came before are heard now.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        daemon.reactor.take_signals()
        if daemon.stopping or daemon.operations.current:
            return
        _let_through(daemon)
        fd = handover.save(daemon)
        os.execv(sys.executable, [sys.executable, "-m", "etld.supervisor", "--resume", str(fd)])
    except OSError as error:
        daemon.reexec = False
        said = f"the new program cannot be run, so the old one stays: {error.strerror}"
        daemon.operations.last = {"name": "restart", "error": said}
        log.error("%s", said)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _let_through(daemon: Supervisor) -> None:
    os.set_inheritable(daemon.runtime.pidfile.fd, True)
    daemon.runtime.control.set_inheritable(True)
    for process in daemon.tree.processes.values():
        process.channel.sock.set_inheritable(True)


def resume(fd: int) -> Supervisor:
    """The supervisor that goes on from a saved state, in the middle of its rolling restart."""
    saved = handover.read(fd)
    config = load(Path(saved.config))
    path, pid_fd = saved.pidfile
    control = socket.socket(fileno=saved.control)
    for inherited in (pid_fd, saved.control):
        os.set_inheritable(inherited, False)
    host, port, sockets = saved.listeners
    runtime = Runtime(PidFile(Path(path), pid_fd), saved.ports, Listeners.restore(host, port, sockets), control)
    log_file = Path(saved.log_file) if saved.log_file else None
    daemon = Supervisor(config, saved.kinds, runtime, log_file=log_file, herald=Herald())
    daemon.began = saved.began
    daemon.scaled = saved.scaled
    daemon.was_started = True
    tree = daemon.tree
    tree.was_up = True
    tree.specs = {spec.name: spec for spec in saved.specs}
    tree.slots = {slot.name: slot for slot in saved.slots}
    tree.ledger = saved.ledger
    for child in saved.processes:
        os.set_inheritable(child.channel, False)
        channel = Channel(socket.socket(fileno=child.channel))
        channel.restore((child.received, child.unsent))
        process = Process(
            child.name,
            child.kind,
            child.pid,
            os.pidfd_open(child.pid),
            channel,
            child.began,
            version=child.version,
            inherited=True,
        )
        tree.processes[child.pid] = process
        tree.watch(process)
    tree.retiring = dict(saved.retiring)
    daemon.operations.start("restart", operations.after_upgrade(daemon))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    return daemon
