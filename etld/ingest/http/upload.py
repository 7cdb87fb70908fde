"""A body that comes in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.ingest.http import refusals

if TYPE_CHECKING:
    from aiohttp.streams import StreamReader

    from etld.ingest.http.answers import Answer
    from etld.ingest.http.host import Host


class Upload:
    """Collects a body, within the host's limits for one and for all of them; `close` gives its room back."""

    __slots__ = ("_chunks", "_host", "_payload", "_size")

    def __init__(self, host: Host, payload: StreamReader) -> None:
        self._host = host
        self._payload = payload
        self._chunks: list[bytes] = []
        self._size = 0

    def take(self) -> bytes | Answer | None:
        """What the pieces so far come to: the body, a refusal of it, or None when more has to come."""
        payload, host = self._payload, self._host
        if payload.exception() is not None:
            return refusals.BAD_CODING
        piece = payload.read_nowait(-1)
        if piece:
            if not host.room_for(len(piece)):
                return refusals.BUSY
            self._chunks.append(piece)
            self._size += len(piece)
            host.buffered += len(piece)
            if self._size > host.max_body:
                return refusals.too_large(host.max_body)
        return b"".join(self._chunks) if payload.is_eof() else None

    def close(self) -> None:
        """Forget what came."""
        self._host.buffered -= self._size
        self._size = 0
        self._chunks.clear()
