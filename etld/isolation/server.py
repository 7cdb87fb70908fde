"""The process that forks children: it has loaded what they need, and does nothing itself.

A fresh child costs milliseconds that way, and inherits no thread of the worker's.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
from typing import Any, NoReturn

from setproctitle import setproctitle

from etld.isolation import child

_CHUNK = 65536


def serve(control: socket.socket, name: str, entry: str, payload: Any, memory: int) -> None:
    """Fork a child for each order that comes, and tell how it ended, until the worker closes its end."""
    setproctitle(f"etld: {name} searching")
    module, _, attribute = entry.partition(":")
    program = child.Loaded(getattr(importlib.import_module(module), attribute), payload, memory)
    gc.freeze()
    _Server(control, program).run()


class _Server:
    def __init__(self, control: socket.socket, program: child.Loaded) -> None:
        self._control = control
        self._program = program
        self._running: dict[int, socket.socket] = {}
        self._woken, waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> None:
        while True:
            ready, _, _ = select.select([self._control.fileno(), self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, _CHUNK)
                self._reap()
            if self._control.fileno() in ready:
                data, fds, _, _ = socket.recv_fds(self._control, _CHUNK, 2)
                if not data:
                    return  # the worker is gone, or needs no more; so do the children go
                self._obey(json.loads(data), fds)

    def _obey(self, order: dict[str, Any], fds: list[int]) -> None:
        if "kill" in order:
            if order["kill"] in self._running:
                os.kill(order["kill"], signal.SIGKILL)
            return
        talk = socket.socket(fileno=fds[0])
        try:
            pid = os.fork()
        except OSError as error:
            with contextlib.suppress(OSError):
                talk.send(b"Ncannot fork: " + str(error.strerror).encode())
            talk.close()
        else:
            if pid == 0:
                self._become_child(order, talk, fds[1])
            with contextlib.suppress(OSError):
                talk.send(b"S%d" % pid)
            self._running[pid] = talk
        finally:
            os.close(fds[1])

    def _become_child(self, order: dict[str, Any], talk: socket.socket, items: int) -> NoReturn:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._control.close()
        for other in self._running.values():
            other.close()
        child.run(self._program, order, talk, items)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            talk = self._running.pop(pid)
            with contextlib.suppress(OSError):  # the worker does not listen any more
                talk.send(b"E%d" % os.waitstatus_to_exitcode(status))
            talk.close()
