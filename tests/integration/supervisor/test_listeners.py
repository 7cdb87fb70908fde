"""Doors that close without resetting anybody."""

from __future__ import annotations

import socket

import pytest

from etld.supervisor.network.listeners import Listeners

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_listener_that_ignores_new_connections(host: str) -> None:
    """Who is connected stays so and can send; a later client hears nothing, and is refused then."""
    listeners = Listeners.bind(host, 0, 2)
    early = [socket.create_connection((host, listeners.port)) for _ in range(8)]
    listeners.ignore_new()
    late = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    late.settimeout(0.3)
    with pytest.raises(TimeoutError):
        late.connect((host, listeners.port))
    for client in early:
        client.sendall(b"hello")
    taken = []
    for index in range(2):
        sock = listeners.get(index)
        while True:
            try:
                taken.append(sock.accept()[0])
            except BlockingIOError:
                break
    assert sorted(sock.recv(9) for sock in taken) == [b"hello"] * 8
    listeners.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, listeners.port), timeout=5)
    for sock in (*taken, *early, late):
        sock.close()
    listeners.close()
