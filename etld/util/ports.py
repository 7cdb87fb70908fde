"""Ports of this machine."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
_FIRST, _TRIES = 10_240, 100
_FOR_CLIENTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def url(scheme: str, host: str, port: int) -> str:
    """Where a client on this machine reaches what listens on `host`."""
    host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104  # nothing is bound here
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def free_port() -> int:
    """A TCP port of loopback that nothing listens on now, and that no client is given as its own.

    From among those that clients are given, a client that tries again and again to reach a server that is away gets
    in the end the server's own port, and is connected with itself: it waits for an answer, and the server for the port.
    """
    for _ in range(_TRIES):
        port = _FIRST + secrets.randbelow(_first_of_clients() - _FIRST)
        if is_free(port):
            return port
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        return int(sock.getsockname()[1])


def _first_of_clients() -> int:
    try:
        return max(int(_FOR_CLIENTS.read_text().split()[0]), _FIRST + 1)
    except (OSError, ValueError, IndexError):
        return 32_768


def is_free(port: int) -> bool:
    """Could a server listen on this port of loopback now?"""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
