"""Log lines: for people on a terminal, JSON otherwise; one write a line, and no line can be forged.

Standard logging underneath: `logging.getLogger("etld.area").info("…", extra={"topic": …})`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from etld.errors import EtldError
from etld.util.as_json import as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

FOLD_SECONDS = 10.0
_MOST_FOLDS = 256
_SHORTEST_SECRET = 4
#: What a record may say besides its fields: whose line it is, and a traceback that was written elsewhere.
_OURS = ("on_behalf", "stacks")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", *_OURS}
_FIRST = ("topic", "partition", "offset", "event_id")
_LEVELS = {"DEBUG": "debug", "INFO": "info", "WARNING": "warning", "ERROR": "error", "CRITICAL": "error"}


def escape(text: str) -> str:
    """`text` on one line: control characters, line separators and lone surrogates as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def indented(text: str) -> str:
    """`text` with its lines, each escaped, and all but the first set in: none can pass for a line of its own."""
    return "\n    ".join(map(escape, text.split("\n")))


class Redactor:
    """Replaces secrets wherever they turn up, also percent-encoded or escaped; shorter than 4 is no secret."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: tuple[str, ...] = ()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Hide these too."""
        forms = set(self._secrets)
        for secret in secrets:
            if len(secret) >= _SHORTEST_SECRET:
                forms |= {secret, quote(secret, safe=""), repr(secret)[1:-1], json.dumps(secret)[1:-1]}
        # The longest first, so that no part of one is left over by another.
        self._secrets = tuple(sorted(forms, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """`text` with *** for each secret."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, "***")
        return text


_redactor = Redactor()


def hide(secret: str) -> None:
    """From now on this text appears in no line of this process and its children to come."""
    _redactor.add([secret])


def redacted(text: str) -> str:
    """`text` without the secrets that this process knows."""
    return _redactor(text)


class _Formatter(logging.Formatter):
    def __init__(self, worker: str, redact: Redactor) -> None:
        super().__init__()
        self._worker = worker
        self._redact = redact

    def parts(self, record: logging.LogRecord) -> tuple[str, dict[str, Any], str]:
        """Message, further fields (coordinates first) as JSON holds them, and traceback, without secrets."""
        extra = {k: v for k, v in vars(record).items() if k not in _STANDARD and v is not None}
        code = next((one.code for one in record.args or () if isinstance(one, EtldError) and one.code), None)
        if code is not None:
            extra.setdefault("explain", code)
        ordered = {k: extra.pop(k) for k in _FIRST if k in extra}
        ordered.update(extra)
        fields = {k: as_json(v, self._redact) for k, v in ordered.items()}
        trace = self.formatException(record.exc_info) if record.exc_info else getattr(record, "stacks", "")
        return self._redact(record.getMessage()), fields, self._redact(trace)

    def whose(self, record: logging.LogRecord) -> str:
        """The worker that the line is about: this one, unless another cannot speak any more."""
        return getattr(record, "on_behalf", self._worker)


class JsonFormatter(_Formatter):
    """{"ts", "level", "worker", "msg", …} on one line; the fixed names cannot be overwritten by a field."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        message, fields, trace = self.parts(record)
        line = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": _LEVELS.get(record.levelname, "info"),
            "worker": self.whose(record),
            "msg": message,
        }
        line = {**line, **{k: v for k, v in fields.items() if k not in line}}
        if trace:
            line["trace"] = trace
        return json.dumps(line)


class HumanFormatter(_Formatter):
    """`12:00:00.123 warning processor-order-0: message (topic=… offset=…)`; a traceback is indented below."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line for people."""
        message, fields, trace = self.parts(record)
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        level = _LEVELS.get(record.levelname, "info")
        tail = " ".join(f"{key}={_shown(value)}" for key, value in fields.items())
        line = escape(f"{clock}.{int(record.msecs):03d} {level:7} {self.whose(record)}: {message}")
        out = f"{line} ({escape(tail)})" if tail else line
        return "\n".join([out, *(f"    {escape(row)}" for row in trace.split("\n") if trace)])


def _shown(value: Any) -> str:
    """A field for people: lists and objects as JSON, all else as it is."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)


class _Fold:
    """One message that may come again: when it was written last, and how often it came since."""

    def __init__(self, record: logging.LogRecord, now: float) -> None:
        self.record = record
        self.since = now
        self.count = 0

    def summary(self) -> logging.LogRecord:
        """The line that tells how often."""
        told = logging.makeLogRecord({k: v for k, v in vars(self.record).items() if k not in ("offset", "event_id")})
        told.msg, told.args, told.exc_info = f"repeated {self.count} times: {self.record.getMessage()}", None, None
        told.created = time.time()
        return told


class FoldingHandler(logging.Handler):
    """Writes each line with one system call; a warning or error that comes again within ten seconds is counted."""

    def __init__(self, fd: int = 2, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._fd = fd
        self._clock = clock
        self._guard = threading.RLock()
        self._folds: dict[tuple[object, ...], _Fold] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or count it."""
        try:
            with self._guard:
                self.tick()
                if record.levelno < logging.WARNING or not self._folded(record):
                    self._write(self.format(record))
        except Exception:  # a record that cannot be shown must not end the worker
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Say where a record came from that cannot be shown; its text may be what is wrong with it."""
        values = {"name": record.name, "levelno": logging.ERROR, "levelname": "ERROR"}
        told = logging.makeLogRecord(
            {**values, "msg": f"a log line cannot be shown: {record.pathname}:{record.lineno}"}
        )
        self._write(self.format(told))

    def tick(self) -> None:
        """Tell what was counted, of all that is older than ten seconds."""
        self._tell(lambda fold: self._clock() - fold.since >= FOLD_SECONDS)

    def flush(self) -> None:
        """Tell all that was counted."""
        self._tell(lambda _fold: True)

    def _folded(self, record: logging.LogRecord) -> bool:
        where = (getattr(record, field, None) for field in ("topic", "partition", "on_behalf"))
        key = (record.levelno, record.name, record.getMessage(), *where)
        fold = self._folds.get(key)
        if fold is not None:
            fold.count += 1
            return True
        if len(self._folds) >= _MOST_FOLDS:
            self.flush()
        self._folds[key] = _Fold(record, self._clock())
        return False

    def _tell(self, due: Callable[[_Fold], bool]) -> None:
        with self._guard:
            for key, fold in list(self._folds.items()):
                if due(fold):
                    del self._folds[key]
                    if fold.count:
                        self._write(self.format(fold.summary()))

    def _write(self, line: str) -> None:
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        with contextlib.suppress(OSError):  # a log that cannot be written must not end the worker
            while data:
                data = data[os.write(self._fd, data) :]


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is told, how, and what must never be: `level` and `format` in the words of [log]."""

    level: str = "info"
    format: str = "auto"
    secrets: tuple[str, ...] = field(default=(), repr=False)


def setup(worker: str, settings: LogSettings) -> None:
    """Send this process's log to stderr, as `worker`; "auto" is for people on a terminal, else JSON."""
    style = settings.format
    if style == "auto":
        style = "human" if sys.stderr is not None and sys.stderr.isatty() else "json"
    _redactor.add(settings.secrets)
    handler = FoldingHandler()
    handler.setFormatter((HumanFormatter if style == "human" else JsonFormatter)(worker, _redactor))
    root = logging.getLogger()
    for old in root.handlers[:]:
        old.flush()
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    logging.captureWarnings(True)


def tick() -> None:
    """Tell repeats that were counted more than ten seconds ago; call it now and then."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, FoldingHandler):
            handler.tick()


def reopen(path: Path) -> None:
    """Point stderr (and stdout) at `path` anew, as after a rotation; children inherit it. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.dup2(fd, 2)
        os.dup2(fd, 1)
    finally:
        os.close(fd)


def rotate(path: Path | None) -> None:
    """What SIGUSR1 asks for: reopen, or stay with the old file and say why; nothing ends for want of a log."""
    if path is None:
        return
    try:
        reopen(path)
    except OSError as error:
        logging.getLogger("etld.logs").error("cannot open %s anew, so the old file is kept: %s", path, error.strerror)
