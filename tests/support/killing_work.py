"""Work that ends the process which does it, for tests of what finds that out."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from etld.errors import EtldError
from etld.isolation.program import Surroundings, Work


def _loop() -> None:
    while True:
        pass


def _grow() -> None:
    grown = []
    while True:
        grown.append(bytearray(1 << 22))


def _raise(error: BaseException) -> NoReturn:
    raise error


_ENDS: dict[bytes, Callable[[], object]] = {
    b"exit": lambda: os._exit(4),
    b"exit 0": lambda: os._exit(0),
    b"crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    b"kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    b"loop": _loop,
    b"sleep": lambda: time.sleep(100),
    b"doze": lambda: time.sleep(0.7),
    b"memory": _grow,
    b"raise": lambda: _raise(KeyError("no")),
    b"leave": lambda: _raise(SystemExit(3)),
    b"in words": lambda: _raise(EtldError("a mistake that the worker tells")),
}


def opened(_payload: object, label: str, around: Surroundings) -> Work:
    """A value of the above does that, "ask" asks the worker first; all others are fine."""

    def work(values: Sequence[bytes | None]) -> None:
        around.stage("TRANSFORM")
        for value in values:
            if value is None:
                continue
            what, _, rest = value[:200].partition(b" ")
            if what == b"ask":
                answer = around.ask(rest.decode() or label)
                assert answer is None or len(answer) >= 200_000 or not rest
            elif what == b"core":
                Path(os.fsdecode(rest)).write_text(str(resource.getrlimit(resource.RLIMIT_CORE)[0]))
            elif value in _ENDS:
                _ENDS[value]()

    return work


def broken(_payload: object, _label: str, _around: Surroundings) -> Work:
    """Cannot begin."""
    os._exit(1)
