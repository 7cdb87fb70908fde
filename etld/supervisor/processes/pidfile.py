"""The pid file: who runs is who holds its lock, whatever number stands in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from etld.errors import EtldError


class AlreadyRunning(EtldError):
    """Another daemon holds the pid file's lock."""

    code = "ETLD-S002"


class PidFile:
    """An open, locked pid file. The lock goes with the last process that holds the descriptor."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd

    @classmethod
    def lock(cls, path: Path) -> PidFile:
        """Take the lock; AlreadyRunning names the holder. A file without a holder is simply taken over."""
        while True:
            try:
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise EtldError(f"cannot write the pid file {path}: {error.strerror}", code="ETLD-S005") from error
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.pread(fd, 32, 0).decode(errors="replace").strip()
                os.close(fd)
                raise AlreadyRunning(f"already running (pid {pid or 'not yet known'})") from None
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(fd).st_ino:
                    return cls(path, fd)
            os.close(fd)  # its holder removed it while we waited for nothing: begin anew

    def write(self) -> None:
        """Write this process's id."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{os.getpid()}\n".encode(), 0)

    def remove(self) -> None:
        """Remove the file, then let go of the lock."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        os.close(self.fd)
