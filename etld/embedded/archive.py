"""A class data sharing archive (JEP 350): with it a JVM starts without parsing and checking its classes anew.

The JVM writes one when it ends, and next time ignores any that was made by another Java or for other
jars. Ours lies beside the jars, under a name for both; a damaged one is noticed by its checksums.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from pathlib import Path

# What the JVM thinks of single classes and of archives that do not fit is nobody's concern.
_QUIET = "-Xlog:cds*=off"
_STALE = 3600.0


class ClassArchive:
    """The archive for one Java and one directory of jars."""

    def __init__(self, java: str, jars: Path) -> None:
        name = f"{jars.name}-{_fingerprint(java, jars)}"
        self.path = jars.parent / f"{name}.jsa"
        self._new = jars.parent / f"{name}.{os.getpid()}.new"
        self.used = False

    def flags(self) -> list[str]:
        """For the JVM: use the archive, or make one at the end."""
        found = self.reading()
        if found or not os.access(self.path.parent, os.W_OK):
            return found
        return [_QUIET, f"-XX:ArchiveClassesAtExit={self._new}"]

    def reading(self) -> list[str]:
        """For a JVM that loads only some of the classes: use the archive that there is."""
        self.used = self.path.is_file()
        if not self.used:
            return []
        return [_QUIET, f"-XX:SharedArchiveFile={self.path}", "-Xshare:auto", "-XX:+VerifySharedSpaces"]

    def look(self, pid: int) -> None:
        """A JVM that runs without the archive it was given has refused it: the next one makes another."""
        try:
            mapped = str(self.path) in Path(f"/proc/{pid}/maps").read_text()
        except OSError:
            return
        if not mapped:
            self.discard()

    def settle(self, *, keep: bool) -> None:
        """The JVM has ended: take up the archive that it made, if it ended well."""
        with contextlib.suppress(OSError):
            self._sweep()
            if not keep:
                self._new.unlink()
                return
            with self._new.open("rb") as file:
                os.fsync(file.fileno())
            self._new.rename(self.path)

    def _sweep(self) -> None:
        """What a JVM left that was killed while it wrote."""
        for path in self.path.parent.glob("*.new"):
            if time.time() - path.stat().st_mtime > _STALE:
                path.unlink()

    def discard(self) -> None:
        """The JVM did not want it, or died with it: do without."""
        if self.used:
            with contextlib.suppress(OSError):
                self.path.unlink()


def _fingerprint(java: str, jars: Path) -> str:
    """What an archive depends on, in short: the program, and each jar's name, size and age."""
    known = hashlib.sha256()
    program = Path(java).resolve()
    for path in (program, *sorted(jars.glob("*.jar"))):
        about = path.stat()
        known.update(f"{path}\0{about.st_size}\0{about.st_mtime_ns}\0".encode())
    return known.hexdigest()[:12]
