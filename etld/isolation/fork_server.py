"""The process that forks children which try work, from the worker's side."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etld.isolation.child import AWAY, NOTHING
from etld.isolation.program import Ending, Kind, Limit, Program
from etld.util.exit_status import describe

_MAIN = Path(__file__).with_name("__main__.py")
_CHUNK = 65536
#: Seconds that a child may take until it begins with the work: imports on a busy machine.
_BEGIN = 60.0
#: Who kills in such a way knows nothing of what a process has in hand.
_FROM_OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}


@dataclass(frozen=True, slots=True)
class Order:
    """What is tried: the items together or one `each`; `cpu` and `wall` are seconds for one step.

    `cpu` is the processor time of the child. After `wall` seconds a child that waits for something has hung; one that
    works, or is kept from working by the machine, has not.
    """

    label: str
    each: bool
    cpu: float
    wall: float


class ForkServer:
    """Tries work in children of a process of its own, which starts with the first trial; safe in any thread."""

    def __init__(self, name: str, program: Program) -> None:
        self._name = name
        self._program = program
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def trial(self, items: Sequence[Any], order: Order) -> Ending:
        """Have a fresh child do the work on `items`, which are pickled; how that ended."""
        try:
            control, server = self._started()
        except OSError as error:
            return Ending(Kind.UNDECIDED, f"cannot start a process: {error.strerror}")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with theirs, _in_memory(items) as given:
                text = json.dumps({"label": order.label, "each": order.each, "cpu": order.cpu, "server": server})
                try:
                    socket.send_fds(control, [text.encode()], [theirs.fileno(), given.fileno()])
                except OSError:
                    self._lost(control)
                    return _GONE
            ending = _Trial(ours, control, order, self._program).follow()
        if ending is _GONE:
            self._lost(control)
        return ending

    def close(self) -> None:
        """End the process and all its children; a trial that is under way is undecided."""
        with self._lock:
            self._end()

    def _started(self) -> tuple[socket.socket, int]:
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                self._end()
            if self._process is None or self._control is None:
                self._start()
            assert self._control is not None
            assert self._process is not None
            return self._control, self._process.pid

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = self._program
        with theirs, _in_memory(sys.path, (self._name, program.entry, program.payload, program.memory)) as given:
            fds = (theirs.fileno(), given.fileno())
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_MAIN), *map(str, fds)],
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={
                    **os.environ,
                    "POLARS_MAX_THREADS": "1",
                    # Threads that a fork would leave behind: of numpy, and of the allocator of Polars.
                    "OPENBLAS_NUM_THREADS": "1",
                    "_RJEM_MALLOC_CONF": "background_thread:false",
                },
            )
        self._control = ours

    def _lost(self, control: socket.socket) -> None:
        with self._lock:
            if self._control is control:
                self._end()

    def _end(self) -> None:
        if self._control is not None:
            # Not closed: a trial in another thread may be about to use it.
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_RDWR)
            self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


#: A child's last words.
_SAID = {
    b"P": (Kind.PASSED, ""),
    b"X": (Kind.ENDED, "raised {}"),
    b"U": (Kind.UNDECIDED, "{}"),
    b"N": (Kind.UNDECIDED, "cannot begin: {}"),
}
_GONE = Ending(Kind.UNDECIDED, "the process that forks is gone")


class _Trial:
    """One child's messages until its end."""

    def __init__(self, talk: socket.socket, control: socket.socket, order: Order, program: Program) -> None:
        self._talk = talk
        self._control = control
        self._order = order
        self._program = program
        self._pid = 0
        self._at = 0
        self._stage = ""
        self._began = False
        self._said: Ending | None = None

    def follow(self) -> Ending:
        patience = _BEGIN
        since = time.monotonic()
        while True:
            self._talk.settimeout(patience)
            try:
                data = self._talk.recv(_CHUNK)
            except TimeoutError:
                if self._is_to_end(time.monotonic() - since):
                    self._kill()
                    patience = _BEGIN
                continue
            except OSError:
                return _GONE
            if not data:
                return _GONE
            ended = self._take(data[:1], data[1:])
            if ended is not None:
                return ended
            patience = self._order.wall if self._began else _BEGIN
            since = time.monotonic()

    def _take(self, what: bytes, rest: bytes) -> Ending | None:
        text = rest.decode(errors="replace")
        if what == b"E":
            return self._said or self._ending(int(text))
        if what == b"A":
            self._answer(text)
        elif what in _SAID:
            kind, words = _SAID[what]
            self._said = self._of(kind, words.format(text), _limit_of(text) if what == b"X" else Limit.NONE)
            if what == b"N" and not self._pid:  # there is no child that could end
                return self._said
        else:
            self._note(what, text)
        return None

    def _note(self, what: bytes, text: str) -> None:
        """How far it is."""
        if what == b"S":
            self._pid = int(text)
        elif what == b"R":
            self._began = True
        elif what == b"I":
            self._at = int(text)
        elif what == b"T":
            self._stage = text

    def _ending(self, code: int) -> Ending:
        if not self._began:
            return self._of(Kind.UNDECIDED, f"cannot begin: {describe(code)}")
        if code == -signal.SIGPROF:
            return self._of(Kind.ENDED, f"took more than {self._order.cpu:g} s of processor time", Limit.CPU)
        if code < 0 and -code in _FROM_OUTSIDE:
            return self._of(Kind.KILLED, describe(code))
        return self._of(Kind.ENDED, describe(code))

    def _of(self, kind: Kind, how: str, limit: Limit = Limit.NONE) -> Ending:
        return Ending(kind, how, self._at, self._stage, limit)

    def _answer(self, question: str) -> None:
        try:
            answer = self._program.answer(question)
        except ConnectionError as error:
            text = f"{error}".encode(errors="replace")[: _CHUNK // 100]
            with contextlib.suppress(OSError):
                self._talk.send(AWAY + text)
            return
        with contextlib.suppress(OSError):
            if answer is None:
                self._talk.send(NOTHING)
            else:
                with os.fdopen(os.memfd_create("etld-answer"), "r+b") as file:
                    file.write(answer.encode())
                    file.flush()
                    file.seek(0)
                    socket.send_fds(self._talk, [b"+"], [file.fileno()])

    def _is_to_end(self, silent: float) -> bool:
        """Nothing has come for so long: is that the child's own doing?"""
        if not self._began:
            self._said = Ending(Kind.UNDECIDED, f"cannot begin: nothing for {silent:.0f} s")
            return True
        if self._said is not None:
            return True
        states = _states(self._pid)
        if states <= {"S"}:
            self._said = self._of(Kind.ENDED, f"hung: waited for {silent:.0f} s", Limit.WAITING)
            return True
        if silent > 10 * self._order.wall:  # stopped, or waiting for a disk that does not answer
            self._said = self._of(Kind.UNDECIDED, f"nothing for {silent:.0f} s, and its state is {''.join(states)}")
            return True
        return False

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            self._control.send(json.dumps({"kill": self._pid}).encode())


def _in_memory(*objects: Any) -> Any:
    """A file in memory that holds pickled objects, at its beginning."""
    file = os.fdopen(os.memfd_create("etld-trial"), "r+b")
    for one in objects:
        pickle.dump(one, file)
    file.flush()
    file.seek(0)
    return file


def _limit_of(raised: str) -> Limit:
    return Limit.MEMORY if raised.startswith("MemoryError") else Limit.NONE


def _states(pid: int) -> set[str]:
    """The states of a process's threads, as proc(5) has them; of one that is gone none."""
    found = set()
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found.add(task.joinpath("stat").read_text().rpartition(")")[2].split()[0])
    return found
