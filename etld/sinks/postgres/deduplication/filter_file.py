"""A filter of all event ids of one leaf, in a file that is mapped by all workers of the host.

A header of one page, then the words of the filter. The header says of which table, in which version, and holds a
checksum: a file that is another's, older, cut or damaged is as good as none.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from etld.sinks.postgres.deduplication.id_filter import IdFilter, words_for
from etld.util.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from etld.sinks.postgres.deduplication.id_filter import Numbers
    from etld.sinks.postgres.deduplication.leaves import Leaf

SUFFIX = ".filter"
_PAGE = 4096
# Kind of file, oid and version of the leaf, ids, words, seed, CRC-32 of the words; then the leaf's name.
_FIELDS = struct.Struct("<8sIqQQQI")
_KIND = b"etldids1"
# A filter is never larger, in words: of so many ids it only knows less surely.
_MOST = 1 << 25


class FilterFile:
    """A filter that is being made, for about `expected` ids: `count` are added, then it is put into its place."""

    def __init__(self, leaf: Leaf, expected: int) -> None:
        self._leaf = leaf
        self._page = np.zeros(_PAGE // 8 + min(_MOST, words_for(expected)), np.uint64)
        self._filter = IdFilter.empty(self._page[_PAGE // 8 :])
        self.count = 0

    def add(self, ids: Numbers) -> None:
        """Rows of two numbers, as of `IdFilter`."""
        self._filter.add(ids)
        self.count += len(ids)

    def put(self, directory: Path) -> Path:
        """Make the file, whole or not at all. Raises OSError."""
        leaf, words = self._leaf, self._filter.words
        head = _FIELDS.pack(
            _KIND, leaf.oid, leaf.version, self.count, len(words), self._filter.seed, zlib.crc32(words.data)
        )
        head += leaf.name.encode()
        self._page.view(np.uint8)[: len(head)] = np.frombuffer(head, np.uint8)
        path = path_of(directory, leaf)
        write_atomically(path, self._page.data, durable=False)
        return path


def path_of(directory: Path, leaf: Leaf) -> Path:
    """Where the filter of a leaf is."""
    return directory / f"{leaf.oid}{SUFFIX}"


def version_of(directory: Path, leaf: Leaf) -> int | None:
    """The version of the leaf that its file is of, None when there is no good one; the words are not looked at."""
    try:
        with path_of(directory, leaf).open("rb") as file:
            found = _header(file.read(_PAGE), leaf)
    except OSError:
        return None
    return found[0] if found else None


def opened(directory: Path, leaf: Leaf) -> IdFilter | None:
    """The filter of a leaf in the version that it has, mapped; None when there is none."""
    with contextlib.suppress(OSError, ValueError), path_of(directory, leaf).open("rb") as file:
        found = _header(file.read(_PAGE), leaf)
        if found is None or found[0] != leaf.version:
            return None
        _, size, seed, checksum = found
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if len(mapped) != _PAGE + size * 8 or not size:
            return None
        words = np.frombuffer(mapped, np.uint64, offset=_PAGE)
        if zlib.crc32(words.data) == checksum:
            return IdFilter(words, seed)
    return None


def _header(page: bytes, leaf: Leaf) -> tuple[int, int, int, int] | None:
    """Version, words, seed and checksum; None for no header, or that of another table."""
    if len(page) < _PAGE:
        return None
    kind, oid, version, _, size, seed, checksum = _FIELDS.unpack_from(page)
    name = page[_FIELDS.size :].split(b"\0", 1)[0]
    if (kind, oid, name) != (_KIND, leaf.oid, leaf.name.encode()):
        return None
    return version, size, seed, checksum
