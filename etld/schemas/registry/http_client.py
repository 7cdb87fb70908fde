"""HTTP to one server, with one deadline for all that a call waits for.

Clients with a time-out for each read (`http.client` alone, requests, httpx) are held for ever by a server that drips,
or that says `100 Continue` without end.
"""

from __future__ import annotations

import http.client
import io
import math
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

_MAX_ANSWER = 16 * 1024 * 1024
_PIECE = 65536


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the server said; `kind` is its Content-Type, `location` where it sends us instead."""

    status: int
    kind: str
    location: str
    body: bytes


class DeadlineConnection(http.client.HTTPConnection):
    """A connection that is kept from one call to the next; `context` makes it TLS."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        super().__init__(host, port)
        # As `http.client` has it: the port that need not stand in the Host header.
        self.default_port = 80 if context is None else 443
        self._context = context
        self._deadline = math.inf

    def call(self, method: str, path: str, body: str | None, headers: Mapping[str, str], within: float) -> HttpAnswer:
        """The answer, after `within` seconds at most.

        Raises OSError (TimeoutError when the time is over), ValueError and `http.client.HTTPException`.
        """
        self._deadline = time.monotonic() + within
        kept = self.sock is not None
        try:
            return self._call(method, path, body, headers)
        except ConnectionError:
            if not kept:
                raise
            # The server had closed it since the last call.
            return self._call(method, path, body, headers)

    def connect(self) -> None:
        """Called by `http.client` where there is no connection."""
        self.sock = _TimedSocket(self._opened(), self._left)

    def _call(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> HttpAnswer:
        try:
            self.request(method, path, body, dict(headers))
            response = self.getresponse()
            kind, location = response.getheader("Content-Type") or "", response.getheader("Location") or ""
            return HttpAnswer(response.status, kind, location, _body(response))
        except BaseException:
            self.close()
            raise

    def _opened(self) -> socket.socket:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        for at, (family, kind, protocol, _, address) in enumerate(found, 1):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._left())
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(self._left())
                return sock if self._context is None else self._context.wrap_socket(sock, server_hostname=self.host)
            except OSError as error:
                sock.close()
                if at == len(found) or isinstance(error, TimeoutError):
                    raise
        raise OSError(f"{self.host} has no address")

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _TimedSocket:
    """The part of a socket that `http.client` uses, each wait of it as long as `left` says."""

    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left

    def sendall(self, data: Any) -> None:
        """As a socket's."""
        self._sock.settimeout(self._left())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> BinaryIO:
        """What an answer is read from."""
        return io.BufferedReader(_TimedReader(self._sock, self._left))

    def close(self) -> None:
        """As a socket's: an answer that is being read goes on."""
        self._sock.close()


class _TimedReader(io.RawIOBase):
    """The bytes that a socket receives."""

    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        super().__init__()
        self._sock = sock
        self._raw = sock.makefile("rb", 0)
        self._left = left

    def readable(self) -> bool:
        """It is for nothing else."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """As a raw stream's."""
        self._sock.settimeout(self._left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()


def _body(response: http.client.HTTPResponse) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := response.read1(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > _MAX_ANSWER:
            raise http.client.HTTPException(f"its answer has more than {_MAX_ANSWER} bytes")
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    # Read to its end, so that the connection can be used again.
    response.close()
    return b"".join(pieces)
