"""Another version of this program in the same process: sockets, children and counts are handed over."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from etld.supervisor.reactor import SIGNALS, Reactor
from etld.supervisor.upgrade import handover
from etld.util import interpreter

if TYPE_CHECKING:
    from etld.supervisor.reload.operations import Operations
    from etld.supervisor.upgrade.handover import Running

log = logging.getLogger("etld.supervisor")


def execute(running: Running, operations: Operations, reactor: Reactor) -> None:
    """Replace the program; returns only when something else is to be done first, or the system refuses.

    Until the next program has its handlers, a signal would end it: signals wait from here on (the mask
    survives exec), and those that came before are heard now.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        reactor.take_signals()
        if running.lifecycle.stopping or operations.current:
            return
        _keep_open(running)
        fd = handover.save(running)
        os.execv(sys.executable, interpreter.command("etld.supervisor", "--resume", str(fd)))  # noqa: S606  # ourselves
    except OSError as error:
        running.lifecycle.upgrading = False
        failure = f"the new program cannot be run, so the old one stays: {error.strerror}"
        operations.last = {"name": "restart", "error": failure}
        log.error("%s", failure)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _keep_open(running: Running) -> None:
    os.set_inheritable(running.runtime.pidfile.fd, True)
    running.runtime.control.set_inheritable(True)
    for process in running.tree.children:
        process.channel.sock.set_inheritable(True)
