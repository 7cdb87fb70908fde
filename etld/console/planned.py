"""What a reload of the configuration would do, asked seldom: the daemon reads and checks the whole file for it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from etld.control import reload_replies
from etld.control.client import RequestRefused
from etld.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Ask = Callable[..., dict[str, Any]]

#: Seconds for which an answer is shown to all who ask, while the file stays as it is.
_FRESH = 5.0


class PlannedReload:
    """The last answer. Threads may share it; one asks at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: tuple[int, int] | None = None
        self._until = 0.0
        self._told: dict[str, Any] = {}

    def get(self, source: Path, ask: Ask) -> dict[str, Any]:
        """What `ask`, the daemon's socket, says of the file `source`.

        A `plan` and the keys `changed`, or the `problems` for which the file is refused, and in `explain` their codes;
        raises `Unreachable`.
        """
        with self._lock:
            file = _state(source)
            if file != self._file or time.monotonic() >= self._until:
                self._told = _asked(ask)
                self._file, self._until = file, time.monotonic() + _FRESH
            return self._told

    def forget(self) -> None:
        """The configuration in force is another now."""
        with self._lock:
            self._until = 0.0


def _state(source: Path) -> tuple[int, int] | None:
    try:
        found = source.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _asked(ask: Ask) -> dict[str, Any]:
    try:
        reply = ask("reload", dry_run=True)
    except RequestRefused as refused:
        error = reload_replies.in_words(refused)
        lines, codes = [str(error)], [error.code]
        if isinstance(error, ConfigError):
            lines, codes = error.lines(), [one.code for one in error.problems]
        return {"plan": [], "changed": [], "problems": lines, "explain": codes}
    return {"plan": reply["plan"], "changed": reply["changed"], "problems": [], "explain": []}
