"""Files that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes, *, mode: int = 0o600, durable: bool = True) -> None:
    """Put `content` in the place of the file in one step; its directory must exist. Raises OSError.

    Readers see the old file or the new one, never a part. `mode` are the permissions of the new file. `durable`:
    the content is on the disk before the name is.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            os.fchmod(out.fileno(), mode)
            out.flush()
            if durable:
                os.fsync(out.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise
