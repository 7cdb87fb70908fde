"""Can etld write where it has to? Asked of the file system, without writing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

#: Less than this is full: PostgreSQL and Kafka take a file of this size at a time.
_ENOUGH = 32 << 20
#: Or less than this share, where the whole is small.
_SHARE = 0.02


@dataclass(slots=True)
class Disk:
    """The last look: `free` bytes by path, and what is `wrong`, in words."""

    free: dict[str, int] = field(default_factory=dict)
    wrong: str | None = None

    def look(self, paths: Iterable[Path]) -> None:
        """Look at each directory; at one that is not there yet, where it will be made."""
        found = []
        self.free = {}
        for path in dict.fromkeys(paths):
            text = self._look(path)
            if text is not None:
                found.append(text)
        self.wrong = "; ".join(found) or None

    def _look(self, path: Path) -> str | None:
        there = next((part for part in (path, *path.parents) if part.exists()), path)
        try:
            told = os.statvfs(there)
        except OSError as error:
            return f"{path}: {error.strerror}"
        free = self.free[str(path)] = told.f_bavail * told.f_frsize
        if told.f_flag & os.ST_RDONLY:
            return f"{path} is read-only"
        if not os.access(there, os.W_OK | os.X_OK):
            return f"{path}: no permission to write"
        if free < min(_ENOUGH, told.f_blocks * told.f_frsize * _SHARE):
            return f"{path} is full: {free >> 20} MiB are free"
        if told.f_files and not told.f_favail:
            return f"{path} is full: no inode is free"
        return None
