"""A file of names that is read anew when it has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from etld.errors import EtldError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """`read` gives what the file has by name, or raises `EtldError`; `meaning`: what comes of it when it does."""

    def __init__(self, path: Path, read: Callable[[Path], dict[str, T]], meaning: str) -> None:
        self._path = path
        self._read = read
        self._meaning = meaning
        self._seen: tuple[int, ...] = ()
        self._found: dict[str, T] = {}
        #: Why there is nobody in it; None: all is well.
        self.problem: str | None = None

    def get(self, name: str) -> T | None:
        """What has this name now; nothing while the file cannot be read."""
        return self.all().get(name)

    def all(self) -> dict[str, T]:
        """All that it has now, by name."""
        self.look()
        return self._found

    def look(self) -> None:
        """See whether the file has changed."""
        try:
            found = self._path.stat()
            seen: tuple[int, ...] = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError:
            seen = (-1,)
        if seen == self._seen:
            return
        self._seen, self._found, self.problem = seen, {}, None
        try:
            self._found = self._read(self._path)
        except EtldError as error:
            self.problem = f"{self._meaning}: {error}"
