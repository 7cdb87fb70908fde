"""Connections spread evenly over the processes of one port.

The kernel deals connections to SO_REUSEPORT listeners by a hash: of 64 over four processes, one may well get
three times as many as another, and keep-alive keeps it so. Therefore each process publishes how many it has,
and one that has clearly more than its share ends the surplus, each after an answer that says
`Connection: close`. Their clients connect anew, and a few such rounds even it out.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SLOTS = 256
_ENTRY = struct.Struct("<IId")
#: Seconds after which a count no longer counts: its process has stopped.
_STALE = 5.0
#: Fewer connections than this a process are left alone.
_FEW = 8
_TOLERANCE = 1.08


class ConnectionBalancer:
    """One process's view of all of them; `index` is its slot."""

    def __init__(self, path: Path, index: int) -> None:
        #: How many processes serve the port, this one among them.
        self.processes = 1
        self._offset = index % _SLOTS * _ENTRY.size
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, _SLOTS * _ENTRY.size)
            self._table = mmap.mmap(fd, _SLOTS * _ENTRY.size)
        finally:
            os.close(fd)

    def surplus(self, connections: int, now: float) -> int:
        """Publish this process's count; how many of them are too many. `now` in seconds since the epoch."""
        _ENTRY.pack_into(self._table, self._offset, connections, 0, now)
        counts = [count for count, _, seen in _ENTRY.iter_unpack(self._table[:]) if seen and abs(now - seen) < _STALE]
        self.processes = len(counts)
        share = sum(counts) / len(counts)
        if len(counts) < 2 or share < _FEW or connections <= share * _TOLERANCE:
            return 0
        return int(connections - share)

    def close(self) -> None:
        """Take the count back."""
        _ENTRY.pack_into(self._table, self._offset, 0, 0, 0.0)
        self._table.close()
