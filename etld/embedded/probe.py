"""Cheap questions to a running server, asked over a plain socket."""

from __future__ import annotations

import socket
import struct

from etld.util.ports import LOOPBACK

_API_VERSIONS = 18
_PG_PROTOCOL = 196608  # 3.0


def kafka(port: int, timeout: float = 2.0) -> bool:
    """Does a Kafka broker answer an ApiVersions request (v0) on this port of loopback?"""
    client = b"etld-probe"
    body = struct.pack(">hhih", _API_VERSIONS, 0, 1, len(client)) + client
    answer = _ask(port, struct.pack(">i", len(body)) + body, 10, timeout)
    if len(answer) < 10:
        return False
    correlation, error = struct.unpack(">ih", answer[4:10])
    return bool(correlation == 1 and error == 0)


def postgres(port: int, user: str, database: str, timeout: float = 2.0) -> bool:
    """Would PostgreSQL take a connection now? It asks for a password ("R") when so, as for pg_isready."""
    pairs = f"user\0{user}\0database\0{database}\0\0".encode()
    body = struct.pack(">i", _PG_PROTOCOL) + pairs
    return _ask(port, struct.pack(">i", len(body) + 4) + body, 1, timeout)[:1] == b"R"


def _ask(port: int, request: bytes, want: int, timeout: float) -> bytes:
    """The answer, `want` bytes of it or more; fewer when the server is away, slow or closes.

    All that has come is read: closing on unread bytes resets the connection, which servers log.
    """
    answer = b""
    try:
        with socket.create_connection((LOOPBACK, port), timeout) as conn:
            conn.settimeout(timeout)
            conn.sendall(request)
            while len(answer) < want:
                more = conn.recv(4096)
                if not more:
                    break
                answer += more
    except OSError:
        return b""
    return answer
