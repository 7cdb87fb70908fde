"""Log lines: for people on a terminal, JSON otherwise; one write a line, and no line can be forged."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from etld.config import Config

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_FIRST = ("topic", "partition", "offset", "event_id")
_FOLD_SECONDS = 10.0
_LEVELS = {"DEBUG": "debug", "INFO": "info", "WARNING": "warning", "ERROR": "error", "CRITICAL": "error"}


def escape(text: str) -> str:
    """`text` on one line: control characters, line separators and lone surrogates as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Redactor:
    """Replaces secrets wherever they turn up."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = tuple(sorted({s for s in secrets if len(s) >= 4}, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, "***")
        return text


class _Formatter(logging.Formatter):
    def __init__(self, worker: str, redact: Redactor) -> None:
        super().__init__()
        self._worker = worker
        self._redact = redact

    def parts(self, record: logging.LogRecord) -> tuple[str, dict[str, Any], str]:
        message = self._redact(record.getMessage())
        extra = {k: v for k, v in vars(record).items() if k not in _STANDARD}
        ordered = {k: extra.pop(k) for k in _FIRST if extra.get(k) is not None}
        ordered.update((k, v) for k, v in extra.items() if v is not None)
        trace = self._redact(self.formatException(record.exc_info)) if record.exc_info else ""
        return message, ordered, trace


class JsonFormatter(_Formatter):
    """{"ts", "level", "worker", "msg", …} on one line."""

    def format(self, record: logging.LogRecord) -> str:
        message, extra, trace = self.parts(record)
        line = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": _LEVELS.get(record.levelname, "info"),
            "worker": self._worker,
            "msg": message,
            **extra,
        }
        if trace:
            line["trace"] = trace
        return self._redact(json.dumps(line, default=str))


class HumanFormatter(_Formatter):
    """`12:00:00.123 warning processor-order-0: message (topic=…)`."""

    def format(self, record: logging.LogRecord) -> str:
        message, extra, trace = self.parts(record)
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        level = _LEVELS.get(record.levelname, "info")
        tail = " ".join(f"{k}={v}" for k, v in extra.items())
        line = f"{clock}.{int(record.msecs):03d} {level} {self._worker}: {message}"
        out = escape(self._redact(f"{line} ({tail})" if tail else line))
        return "\n".join([out, *(f"    {escape(row)}" for row in trace.splitlines())])


class Handler(logging.Handler):
    """Writes each line with one system call, and folds what repeats within ten seconds."""

    def __init__(self, fd: int = 2) -> None:
        super().__init__()
        self._fd = fd
        self._guard = threading.Lock()
        self._last: tuple[int, str, str] | None = None
        self._since = 0.0
        self._repeats = 0

    def emit(self, record: logging.LogRecord) -> None:
        key = (record.levelno, record.name, record.getMessage())
        with self._guard:
            now = time.monotonic()
            fold = record.levelno >= logging.WARNING and key == self._last and now - self._since < _FOLD_SECONDS
            if fold:
                self._repeats += 1
                return
            if self._repeats:
                self._tell_repeats()
            self._last, self._since = key, now
            self._write(self.format(record))

    def flush(self) -> None:
        """Say what was folded."""
        with self._guard:
            if self._repeats:
                self._tell_repeats()

    def _tell_repeats(self) -> None:
        assert self._last is not None
        level, name, message = self._last
        count, self._repeats = self._repeats, 0
        text = f"repeated {count} times: {message}"
        self._write(self.format(logging.LogRecord(name, level, "", 0, text, None, None)))

    def _write(self, line: str) -> None:
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        with contextlib.suppress(OSError):  # a log that cannot be written must not end the worker
            while data:
                data = data[os.write(self._fd, data) :]


def secrets_of(config: Config | None) -> list[str]:
    """The passwords that the configuration names, for redaction."""
    if config is None:
        return []
    from etld.errors import EtldError

    found = []
    for section in ("kafka", "postgres", "schema_registry"):
        with contextlib.suppress(EtldError):
            found.append(config.secret(section) or "")
    dsn = config.postgres.dsn
    if "://" in dsn and "@" in dsn:
        found.append(dsn.split("://", 1)[1].rsplit("@", 1)[0].partition(":")[2])
    return found


def setup(worker: str, config: Config | None = None) -> None:
    """Send this process's log to stderr, as `worker`, in the format and level of the configuration."""
    level = config.log.level if config else "info"
    style = config.log.format if config else "auto"
    if style == "auto":
        style = "human" if sys.stderr is not None and sys.stderr.isatty() else "json"
    redact = Redactor(secrets_of(config))
    handler = Handler()
    handler.setFormatter((HumanFormatter if style == "human" else JsonFormatter)(worker, redact))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(getattr(logging, level.upper()))
    logging.captureWarnings(True)


def reopen(path: Path) -> None:
    """Point stderr (and stdout) at `path` anew, as after a rotation; children inherit it."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.dup2(fd, 2)
        os.dup2(fd, 1)
    finally:
        os.close(fd)
