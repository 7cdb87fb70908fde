"""Ports of this machine."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


def url(scheme: str, host: str, port: int) -> str:
    """Where a client on this machine reaches what listens on `host`."""
    host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104  # nothing is bound here
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def free_port() -> int:
    """A TCP port of loopback that nothing listens on now."""
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        return int(sock.getsockname()[1])


def is_free(port: int) -> bool:
    """Could a server listen on this port of loopback now?"""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
