"""Files that are whole or not there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path
from stat import S_IMODE
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Busy(Exception):
    """Somebody else is in there."""


@contextlib.contextmanager
def locked(directory: Path, *, wait: bool = True) -> Iterator[None]:
    """While this lasts, nobody else is in here with the same directory. Raises OSError, `Busy` where not to `wait`."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(directory) from error
        yield
    finally:
        os.close(handle)


def append(path: Path, text: str, *, mode: int = 0o640) -> None:
    """Put `text` after a blank line at the end of the file, in one step; what was there stays byte for byte.

    The file keeps its owner, its permissions and its kind of line ends, and a link goes on leading to it. One that is
    not there is made with the permissions `mode`. Raises OSError.
    """
    path = path.resolve()
    before = path.read_bytes() if path.exists() else b""
    now = path.stat() if path.exists() else None
    content = appended(before, text)
    write_atomically(path, content, mode=mode if now is None else S_IMODE(now.st_mode), like=now)


def appended(before: bytes, text: str) -> bytes:
    """The content of a file after `append`."""
    if not before:
        return text.encode()
    end = "\r\n" if b"\r\n" in before else "\n"
    return before + (("" if before.endswith(b"\n") else end) + end + text.replace("\n", end)).encode()


def write_atomically(
    path: Path,
    content: bytes | memoryview,
    *,
    mode: int = 0o600,
    durable: bool = True,
    like: os.stat_result | None = None,
) -> None:
    """Put `content` in the place of the file in one step; its directory must exist. Raises OSError.

    Readers see the old file or the new one, never a part. `mode` are the permissions of the new file. `durable`:
    the content is on the disk before the name is. `like`: of this owner and group, where we may say so.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            if like is not None:
                with contextlib.suppress(PermissionError):
                    os.fchown(out.fileno(), like.st_uid, like.st_gid)
            os.fchmod(out.fileno(), mode)
            out.flush()
            if durable:
                os.fsync(out.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise
