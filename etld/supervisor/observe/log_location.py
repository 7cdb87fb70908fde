"""Where the daemon's log goes, and its last lines where they can be read again."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

_MOST_BYTES = 1 << 20
_UNIT = re.compile(r"/([^/\n]+\.service)(?:/|$)", re.MULTILINE)


def answer(log_file: Path | None, lines: int) -> dict[str, Any]:
    """`target` is "file" (with `path`), "journal" (with `unit`), or "stderr"; `lines` are those of a file."""
    path = log_file or _file_of(2)
    if path is not None:
        return {"target": "file", "path": str(path), "lines": _tail(path, lines)}
    if os.environ.get("JOURNAL_STREAM"):
        return {"target": "journal", "unit": _unit(), "lines": []}
    return {"target": "stderr", "lines": []}


def _file_of(fd: int) -> Path | None:
    try:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            path = Path(f"/proc/self/fd/{fd}").readlink()
            return path if path.is_file() else None
    except OSError:
        pass
    return None


def _unit() -> str:
    """The service that this process is part of."""
    try:
        found = _UNIT.findall(Path("/proc/self/cgroup").read_text())
    except OSError:
        found = []
    return str(found[-1]) if found else "etld.service"


def _tail(path: Path, lines: int) -> list[str]:
    try:
        with path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - _MOST_BYTES)
            file.seek(start)
            rows = file.read(_MOST_BYTES).decode(errors="replace").split("\n")
    except OSError:
        return []
    rows = rows[1 if start else 0 : -1]  # no line that was cut, none that is not over
    return rows[max(0, len(rows) - lines) :]
