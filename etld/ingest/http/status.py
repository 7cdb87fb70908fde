"""What all the connections of a server share: its clock, its limits, how it is doing."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.ingest.http.answers import date_header
from etld.util.fair_share import FairShare

if TYPE_CHECKING:
    import asyncio

#: Bytes of bodies that are still being read, over all connections; and of those whose sender is not known yet.
_ROOM = 48 << 20
_SMALL_ROOM = 16 << 20
#: Seconds that a connection which was told to close is kept, so that its client can read the answer.
LINGER = 2.0
#: Bytes between two ticks that are read of such clients, which still send what nobody wants; and how many of those that
#: had to wait go on with each tick. Read as they come, those of a flood would hold up all others.
_UNWANTED, _AT_ONCE = 4 << 20, 50


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """`max_body` in bytes, times in seconds."""

    max_body: int
    max_connections: int
    header_timeout: float
    body_timeout: float
    keep_alive: float


class ServerStatus:
    """`now` is of the event loop's clock, `wall` in seconds since the epoch; both are of the last tick."""

    __slots__ = (
        "_loop",
        "_unwanted",
        "_withheld",
        "date",
        "draining",
        "failed_handshakes",
        "limits",
        "max_body",
        "now",
        "room",
        "small_room",
        "surplus",
        "wall",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: HttpLimits) -> None:
        self._loop = loop
        self.now = loop.time()
        self.wall = time.time()
        #: The Date header of every answer.
        self.date = date_header(self.wall)
        self.draining = False
        #: So many connections are to be closed after their next answer: other processes have fewer.
        self.surplus = 0
        #: Connections that ended before their TLS handshake was done.
        self.failed_handshakes = 0
        #: Bytes of unfinished bodies, shared by the names of their senders.
        self.room = FairShare[str](_ROOM)
        self.small_room = FairShare[str](_SMALL_ROOM)
        #: So many bytes may still be read and thrown away before the next tick; and who waits for that.
        self._unwanted = _UNWANTED
        self._withheld: deque[asyncio.Transport] = deque()
        self.configure(limits)

    def configure(self, limits: HttpLimits) -> None:
        """Take other limits; that of connections stays."""
        self.limits = limits
        self.max_body = limits.max_body

    def tick(self) -> None:
        """Look at the clock."""
        self.now = self._loop.time()
        wall = time.time()
        if int(wall) != int(self.wall):
            self.date = date_header(wall)
        self.wall = wall
        self._unwanted = _UNWANTED
        for _ in range(min(_AT_ONCE, len(self._withheld))):
            transport = self._withheld.popleft()
            if not transport.is_closing():
                transport.resume_reading()

    def throw_away(self, count: int, transport: asyncio.Transport) -> None:
        """Nobody wants these bytes. Past what may be read of such between two ticks, their client has to wait."""
        self._unwanted -= count
        if self._unwanted < 0 and not transport.is_closing():
            transport.pause_reading()
            self._withheld.append(transport)

    def failed(self) -> None:
        """No handshake came of a connection."""
        self.failed_handshakes += 1
