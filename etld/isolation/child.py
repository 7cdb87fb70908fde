"""One try: the work, in a process that may end of it."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from etld.errors import EtldError
from etld.isolation.program import NoAnswer, Surroundings, Work
from etld.util.memory_limit import limit_growth
from etld.util.parent_death import end_with_parent

#: The answer that there is none, and that nobody answers.
NOTHING, AWAY = b"?", b"!"
_TEXT = 500


@dataclass(frozen=True, slots=True)
class Loaded:
    """A program whose modules are there."""

    entry: Callable[[Any, str, Surroundings], Work]
    payload: Any
    memory: int


class _Around:
    """`Surroundings` at the other end of a socket."""

    def __init__(self, talk: socket.socket) -> None:
        self._talk = talk

    def stage(self, name: str) -> None:
        self._talk.send(b"T" + name.encode())

    def ask(self, question: str) -> str | None:
        self._talk.send(b"A" + question.encode())
        answer, fds, _, _ = socket.recv_fds(self._talk, 1024, 1)
        if answer == NOTHING:
            return None
        if not fds:
            raise NoAnswer(answer[1:].decode(errors="replace") or "the worker is gone")
        with os.fdopen(fds[0], "rb") as file:
            return file.read().decode()


def run(program: Loaded, order: dict[str, Any], talk: socket.socket, items: int) -> NoReturn:
    """Do what is ordered, and end.

    Messages: R ready, I an item in hand, T a stage, A a question, P passed, U undecided, N not begun, X raised.
    """
    told = b"N"
    try:
        _confine(order["server"])
        with os.fdopen(os.dup(items), "rb") as file:
            given = pickle.load(file)  # noqa: S301  # of the worker that this process belongs to
        work = program.entry(program.payload, order["label"], _Around(talk))
        # What is loaded at the first call is nobody's fault.
        work([])
        limit_growth(program.memory)
        talk.send(b"R")
        told = b"X"
        _work(work, [[one] for one in given] if order["each"] else [given], order["cpu"], talk)
        talk.send(b"P")
    except BaseException as error:  # whatever the work raises is what is asked for
        signal.setitimer(signal.ITIMER_PROF, 0)
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if isinstance(error, ConnectionError):
            told, text = b"U", str(error) or text
        with contextlib.suppress(OSError):
            talk.send(told + text[:_TEXT].encode(errors="replace"))
    os._exit(0)


def _work(work: Work, steps: list[list[Any]], cpu: float, talk: socket.socket) -> None:
    for at, some in enumerate(steps):
        talk.send(b"I%d" % at)
        # The kernel ends the process with SIGPROF once it has taken so much time of a processor.
        signal.setitimer(signal.ITIMER_PROF, cpu)
        try:
            work(some)
        except ConnectionError:
            raise
        except EtldError:
            pass  # the worker comes to the same words
        signal.setitimer(signal.ITIMER_PROF, 0)


def _confine(server: int) -> None:
    """End with the process that forked this one; leave no core; go first when the machine has no memory left."""
    end_with_parent(server)
    for number in (signal.SIGPROF, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    # Of 1 the kernel writes no file, and asks no program that collects dumps either; 0 does not keep it from that.
    resource.setrlimit(resource.RLIMIT_CORE, (min(1, hard) if hard != resource.RLIM_INFINITY else 1, hard))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
