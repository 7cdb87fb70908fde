"""Files of a warehouse on a local disk that are there after a power cut, before the catalog names them."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

if TYPE_CHECKING:
    from pyiceberg.io import OutputStream


class DurableFileIO(PyArrowFileIO):
    """pyiceberg's own; what it writes to a local disk is on the disk when it is closed."""

    def new_output(self, location: str) -> PyArrowFile:
        """A file to write."""
        plain = super().new_output(location)
        scheme, _, path = self.parse_location(location, self.properties)
        if scheme != "file":
            return plain
        return _LocalFile(location, path, self.fs_by_scheme(scheme, ""))


class _LocalFile(PyArrowFile):
    """A local file, which is written by the operating system's own calls."""

    def create(self, overwrite: bool = False) -> OutputStream:  # noqa: FBT002  # pyiceberg's signature
        """Open it to be written; raises OSError."""
        path = Path(self._path)
        path.parent.mkdir(parents=True, exist_ok=True)
        stream: Any = io.BufferedWriter(_Synced(path, "w" if overwrite else "x"), 1 << 20)
        return stream  # type: ignore[no-any-return]


class _Synced(io.FileIO):
    """On the disk, with its name, once it is closed."""

    def __init__(self, path: Path, mode: str) -> None:
        super().__init__(path, mode)
        self._directory = path.parent

    def close(self) -> None:
        """Sync, then close."""
        if not self.closed:
            os.fsync(self.fileno())
            super().close()
            directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
