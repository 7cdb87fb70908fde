"""Another version of this program in the same process: sockets, children and counts are handed over."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from etld.config import load
from etld.supervisor import operations
from etld.supervisor.herald import Herald
from etld.supervisor.kinds import Spec
from etld.supervisor.ledger import Ledger
from etld.supervisor.listeners import Listeners
from etld.supervisor.pidfile import PidFile
from etld.supervisor.runtime import Runtime
from etld.supervisor.slots import Slot, State
from etld.supervisor.spawn import Process
from etld.supervisor.supervisor import SIGNALS, Supervisor
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
        fd = os.memfd_create("etld-state", 0)
        os.write(fd, json.dumps(_save(daemon)).encode())
        os.execv(sys.executable, [sys.executable, "-m", "etld.supervisor", "--resume", str(fd)])
    except OSError as error:
        daemon.reexec = False
        said = f"the new program cannot be run, so the old one stays: {error.strerror}"
        daemon.operations.last = {"name": "restart", "error": said}
        log.error("%s", said)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _save(daemon: Supervisor) -> dict[str, Any]:
    runtime, tree = daemon.runtime, daemon.tree
    os.set_inheritable(runtime.pidfile.fd, True)
    runtime.control.set_inheritable(True)
    for process in tree.processes.values():
        process.channel.sock.set_inheritable(True)
    return {
        "config": str(daemon.config.source),
        "kinds": daemon.kinds_ref,
        "log_file": str(daemon.log_file) if daemon.log_file else None,
        "began": daemon.began,
        "scaled": daemon.scaled,
        "pidfile": [str(runtime.pidfile.path), runtime.pidfile.fd],
        "ports": runtime.ports,
        "control": runtime.control.fileno(),
        "listeners": [runtime.listeners.host, runtime.listeners.port, runtime.listeners.save()],
        "slots": [dataclasses.asdict(slot) for slot in tree.slots.values()],
        "specs": [dataclasses.asdict(spec) for spec in tree.specs.values()],
        "processes": [
            [p.name, p.kind, p.pid, p.began, p.version, p.channel.fileno(), *p.channel.save()]
            for p in tree.processes.values()
        ],
        "retiring": list(tree.retiring.items()),
        "ledger": tree.ledger.save(),
    }


def resume(fd: int) -> Supervisor:
    """The supervisor that goes on from a saved state, in the middle of its rolling restart."""
    size = os.fstat(fd).st_size
    saved = json.loads(os.pread(fd, size, 0))
    os.close(fd)
    config = load(Path(saved["config"]))
    path, pid_fd = saved["pidfile"]
    control = socket.socket(fileno=saved["control"])
    for inherited in (pid_fd, control.fileno()):
        os.set_inheritable(inherited, False)
    host, port, sockets = saved["listeners"]
    runtime = Runtime(PidFile(Path(path), pid_fd), saved["ports"], Listeners.restore(host, port, sockets), control)
    log_file = Path(saved["log_file"]) if saved["log_file"] else None
    daemon = Supervisor(config, saved["kinds"], runtime, log_file=log_file, herald=Herald())
    daemon.began = saved["began"]
    daemon.scaled = saved["scaled"]
    daemon.was_started = True
    tree = daemon.tree
    tree.was_up = True
    for values in saved["specs"]:
        spec = Spec(**values)
        tree.specs[spec.name] = spec
    for values in saved["slots"]:
        slot = Slot(**{**values, "state": State(values["state"])})
        tree.slots[slot.name] = slot
    tree.ledger = Ledger.restore(saved["ledger"], daemon.began)
    for name, kind, pid, began, version, channel_fd, received, unsent in saved["processes"]:
        os.set_inheritable(channel_fd, False)
        channel = Channel(socket.socket(fileno=channel_fd))
        channel.restore((received, unsent))
        process = Process(name, kind, pid, os.pidfd_open(pid), channel, began, version, inherited=True)
        tree.processes[pid] = process
        tree.watch(process)
    tree.retiring = {int(pid): kill_at for pid, kill_at in saved["retiring"]}
    daemon.operations.start("restart", operations.after_upgrade(daemon))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    return daemon
