"""Actions that are commands of the command line, each in a process of its own: they do here just what they do there."""

from __future__ import annotations

import re
import subprocess
import threading
from typing import TYPE_CHECKING

from etld.errors import EtldError
from etld.util import interpreter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from etld.console.access.users import User

_AT_ONCE = 2
_LONGEST = 2000
#: The code behind what a command says of an error.
_CODE = re.compile(r" \((ETLD-[A-Z]\d{3})\)")


class Commands:
    """Those that run; threads may share it. `program` gives the command line of a module with its arguments."""

    def __init__(self, program: Callable[..., list[str]] = interpreter.command) -> None:
        self._program = program
        self._running: set[subprocess.Popen[str]] = set()
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def run(self, config: Path, user: User, *arguments: str, given: str = "") -> str:
        """Run `etld ARGUMENTS` for a user, with `given` to read; what it says.

        Its own name stands before it in no word. Raises `EtldError`: while others run, and with what it says when it
        has not succeeded.
        """
        if not self._places.acquire(blocking=False):
            raise EtldError(f"{_AT_ONCE} of such actions are under way: wait for one", code="ETLD-U010")
        try:
            process = subprocess.Popen(
                self._program("etld", "--config", str(config), "--asked-by", user.name, *arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
            self._running.add(process)
            try:
                said, complaints = process.communicate(given)
            finally:
                self._running.discard(process)
        finally:
            self._places.release()
        if process.returncode:
            told = _plain(complaints or said) or f"it ended with exit code {process.returncode}"
            code = _CODE.search(told)
            if code is None:
                raise EtldError(told, code="ETLD-U011")
            raise EtldError(told[: code.start()] + told[code.end() :], code=code[1])
        return _plain(said)

    def close(self) -> None:
        """End them: each can be asked for again, and goes on where it was."""
        for process in list(self._running):
            process.terminate()


def _plain(text: str) -> str:
    return " ".join(line.removeprefix("etld: ") for line in text.strip().splitlines())[-_LONGEST:]
