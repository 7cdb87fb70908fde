"""Going on from what the program before this one handed over (handover.py)."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from etld.supervisor.network.listeners import Listeners
from etld.supervisor.processes.pidfile import PidFile
from etld.supervisor.processes.spawn import Process
from etld.supervisor.runtime import Runtime
from etld.worker.channel import Channel

if TYPE_CHECKING:
    from etld.supervisor.processes.tree import ProcessTree
    from etld.supervisor.upgrade.handover import Child, Handed


def runtime(saved: Handed) -> Runtime:
    """The pid file and the sockets."""
    path, pid_fd = saved.pidfile
    control = socket.socket(fileno=saved.control)
    for inherited in (pid_fd, saved.control):
        os.set_inheritable(inherited, False)
    return Runtime(PidFile(Path(path), pid_fd), Listeners.restore(*saved.listeners), control)


def take_workers(tree: ProcessTree, saved: Handed) -> None:
    """The slots, and the children in them."""
    tree.was_up = True
    tree.slots.restore(saved.specs, saved.slots)
    for child in saved.processes:
        tree.children.add(_process(child))
    tree.retiring = dict(saved.retiring)


def _process(child: Child) -> Process:
    os.set_inheritable(child.channel, False)
    channel = Channel(socket.socket(fileno=child.channel))
    channel.restore((child.received, child.unsent))
    pidfd = os.pidfd_open(child.pid)
    return Process(
        child.name, child.kind, child.pid, pidfd, channel, child.began, version=child.version, inherited=True
    )
