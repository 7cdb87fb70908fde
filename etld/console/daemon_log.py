"""The last lines of the daemon's log, for people: read from its end, and never more than that."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etld.control import log_source
from etld.errors import EtldError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Ask = Callable[..., dict[str, Any]]

#: Bytes of a file, and lines of a journal, that are looked at.
_BYTES, _LINES = 256 << 10, 500
#: Seconds for which all who ask are shown the same.
_FRESH = 0.5
_LONGEST = 2000


class DaemonLog:
    """Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: tuple[float, list[str]] = (0.0, [])

    def last(self, ask: Ask, most: int, worker: str, level: str) -> list[dict[str, Any]]:
        """At most so many lines of a worker ("": of all), of this level or worse, the newest first.

        A kind or a prefix stands for several. `ask` is the daemon's socket. Raises `EtldError` where the log cannot be
        read again.
        """
        found = []
        for line in reversed(self._lines(ask)):
            told = _record(line)
            name = told["worker"]
            if _weight(told["level"]) < _weight(level) or (
                worker not in ("", name) and not name.startswith(f"{worker}-")
            ):
                continue
            found.append(told)
            if len(found) == most:
                break
        return found

    def _lines(self, ask: Ask) -> Sequence[str]:
        with self._lock:
            at, lines = self._read
            if time.monotonic() - at > _FRESH:
                lines = _end(ask("logs", lines=0))
                self._read = (time.monotonic(), lines)
            return lines


def _end(where: dict[str, Any]) -> list[str]:
    if where["target"] == "file":
        path = Path(where["path"])
        try:
            return log_source.File(path).end(_BYTES)[0]
        except OSError as error:
            raise EtldError(f"cannot read the log {path}: {error.strerror}", code="ETLD-S023") from error
    if where["target"] == "journal":
        return log_source.Journal(where["unit"]).end(_LINES)
    raise EtldError(
        "the daemon writes its log to the terminal or pipe that is its stderr: look there", code="ETLD-S023"
    )


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
        assert isinstance(record, dict)
    except (ValueError, AssertionError):  # what a library wrote to stderr
        record = {"msg": line}
    told = {name: str(record.get(name, "")) for name in ("ts", "level", "worker")}
    text = str(record.get("msg", ""))
    if record.get("trace"):
        text += f"\n{record['trace']}"
    return {**told, "level": told["level"] or "info", "text": text[:_LONGEST]}


def _weight(level: str) -> int:
    return log_source.LEVELS.index(level) if level in log_source.LEVELS else 0
