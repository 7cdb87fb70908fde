"""TLS between a socket and an `HttpConnection`, which counts and is timed out from its first moment on.

The event loop's own TLS tells nobody of a connection before its handshake is done, and cannot end one direction alone.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

from etld.ingest.http import refusals

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: The most that a record of TLS holds.
_RECORD = 16 << 10


class TlsConnection(asyncio.Transport, asyncio.Protocol):
    """The protocol of a socket, and the transport of a connection; `failed` is called when no handshake comes of it."""

    def __init__(self, connection: asyncio.Protocol, context: ssl.SSLContext, failed: Callable[[], None]) -> None:
        super().__init__()
        self._connection = connection
        self._failed = failed
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._socket: asyncio.Transport
        #: Has anything come at all? Who only looks whether the port is open sends nothing.
        self._begun = False
        #: Is the handshake done?
        self._open = False
        #: The client has said that it sends no more, or nobody listens to it any more.
        self._read_ended = False
        #: The client was told that nothing more comes.
        self._write_ended = False

    # asyncio.Protocol: what the socket says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tell the connection at once: it has a place among the others while it shakes hands."""
        self._socket = transport  # type: ignore[assignment]
        self._connection.connection_made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        if self._begun and not self._open:
            self._failed()
        self._connection.connection_lost(exc)

    def eof_received(self) -> bool:
        """The client may still wait for an answer."""
        return bool(self._open and self._connection.eof_received())

    def pause_writing(self) -> None:
        """The client does not read."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """It reads again."""
        self._connection.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Go on with the handshake, or hand on what the bytes say."""
        if self._read_ended:
            return
        self._begun = True
        self._incoming.write(data)
        try:
            if not self._open:
                self._tls.do_handshake()
                self._open = True
            while not self._read_ended:
                self._read()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            self._break_off(error)

    def _read(self) -> None:
        piece = self._tls.read(_RECORD)
        if piece:
            self._connection.data_received(piece)
            return
        self._read_ended = True
        if not self._connection.eof_received():
            self.close()

    def _break_off(self, error: ssl.SSLError) -> None:
        """It is not TLS, or none that we speak."""
        if error.reason == "HTTP_REQUEST":
            self._socket.write(refusals.NOT_TLS)
        else:
            self._flush()  # OpenSSL has written an alert
        self._read_ended = self._write_ended = True
        self._socket.close()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._socket.write(self._outgoing.read())

    # asyncio.Transport: what the connection wants

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the socket's."""
        return self._socket.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """As the socket's."""
        return self._socket.is_closing()

    def pause_reading(self) -> None:
        """Take no more from the socket; what has been read of it is handed on."""
        self._socket.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        self._socket.resume_reading()

    def write(self, data: Any) -> None:
        """Send it encrypted; before the handshake nothing can be said."""
        if not self._open or self._write_ended:
            return
        left = memoryview(data)
        try:
            while left:
                left = left[self._tls.write(left) :]
        except ssl.SSLError as error:
            self._break_off(error)
        else:
            self._flush()

    def can_write_eof(self) -> bool:
        """Each direction ends by itself."""
        return True

    def write_eof(self) -> None:
        """Say that nothing more comes; what the client still sends is not read."""
        if self._open:
            self._say_goodbye()
            self._socket.write_eof()
        else:
            self._socket.close()

    def close(self) -> None:
        """Send what is written, say goodbye, and end."""
        if self._open:
            self._say_goodbye()
        self._socket.close()

    def abort(self) -> None:
        """End at once."""
        self._socket.abort()

    def _say_goodbye(self) -> None:
        self._read_ended = True
        if not self._write_ended:
            self._write_ended = True
            # It asks for the client's goodbye, too, which nobody waits for.
            with suppress(ssl.SSLError):
                self._tls.unwrap()
            self._flush()
