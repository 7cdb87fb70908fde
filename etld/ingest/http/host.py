"""What a connection and the server that it belongs to know of each other."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage

    from etld.ingest.http.connection import Connection

#: Seconds that an idle connection is kept, and one that was told to close.
KEEP_ALIVE = 60.0
LINGER = 2.0


class State(IntEnum):
    """What a connection waits for."""

    IDLE = 0
    HEADERS = 1
    BODY = 2
    ANSWER = 3
    CLOSE = 4


class Host(Protocol):
    """What a connection needs to know of the server it belongs to."""

    now: float
    date: bytes
    draining: bool
    max_body: int
    buffered: int
    surplus: int

    def handle(self, connection: Connection, message: RawRequestMessage, body: bytes) -> None: ...

    def opened(self, connection: Connection) -> bool: ...

    def closed(self, connection: Connection) -> None: ...

    def origin(self, message: RawRequestMessage) -> bytes: ...

    def room_for(self, size: int) -> bool: ...
