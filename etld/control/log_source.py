"""Where lines of the log come from: a file, or systemd's journal."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from etld.errors import EtldError

#: From the least to the worst.
LEVELS = ("debug", "info", "warning", "error")
_BLOCK = 65536
_FEW = 1000

Wanted = Callable[[str], str | None]


class File:
    """A file that lines are appended to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    def last(self, lines: int, wanted: Wanted) -> list[str]:
        """Enough of the file's end to hold that many wanted lines."""
        length = _BLOCK
        while True:
            rows, whole = self.end(length)
            if whole or _enough(rows, lines, wanted):
                return rows
            length *= 4

    def end(self, length: int) -> tuple[list[str], bool]:
        """The lines of the last so many bytes, and whether that is all of the file."""
        with self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - length)
            file.seek(start)
            rows = file.read(size - start).decode(errors="replace").splitlines()
        return (rows if start == 0 else rows[1:]), start == 0

    def follow(self) -> Iterator[str]:
        """New lines, also after the file was rotated away or cut."""
        file = self.path.open("rb")
        file.seek(0, os.SEEK_END)
        rest = b""
        while True:
            data = file.read(_BLOCK)
            if data:
                *rows, rest = (rest + data).split(b"\n")
                yield from (row.decode(errors="replace") for row in rows)
                continue
            time.sleep(0.2)
            try:
                now = self.path.stat()
            except FileNotFoundError:
                continue
            if now.st_ino != os.fstat(file.fileno()).st_ino or now.st_size < file.tell():
                file.close()
                file = self.path.open("rb")


class Journal:
    """What systemd keeps of a unit."""

    def __init__(self, unit: str) -> None:
        self.name = f"the journal of {unit}"
        self._unit = unit

    def last(self, lines: int, wanted: Wanted) -> list[str]:
        """Enough of the journal's end to hold that many wanted lines."""
        number = _FEW
        while True:
            rows = self.end(number)
            if len(rows) < number or _enough(rows, lines, wanted):
                return rows
            number *= 4

    def follow(self) -> Iterator[str]:
        """New lines."""
        return self._read("--lines", "0", "--follow")

    def end(self, lines: int) -> list[str]:
        """So many of the last lines."""
        return list(self._read("--lines", str(lines)))

    def _read(self, *options: str) -> Iterator[str]:
        argv = ["journalctl", "--unit", self._unit, "--output", "cat", "--no-pager", "--quiet", *options]
        try:
            reader = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, errors="replace")
        except FileNotFoundError:
            raise EtldError(f"the log is in {self.name}, and there is no journalctl", code="ETLD-S023") from None
        assert reader.stdout is not None
        with reader:
            yield from (line.rstrip("\n") for line in reader.stdout)
        if reader.returncode:
            raise EtldError(f"the log is in {self.name}, which journalctl cannot show", code="ETLD-S023")


def _enough(rows: list[str], lines: int, wanted: Wanted) -> bool:
    return sum(1 for row in rows if wanted(row) is not None) >= lines
