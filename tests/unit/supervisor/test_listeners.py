"""Listening sockets: who gets new connections, and what a new program inherits."""

from __future__ import annotations

import os
import socket
from collections import Counter

import pytest

from etld.errors import EtldError, PortTaken
from etld.supervisor.network.listeners import Listeners


def hits(listeners: Listeners, number: int, indices: range) -> Counter[int]:
    """Which slots get `number` new connections."""
    clients = [socket.create_connection(("127.0.0.1", listeners.port), 5) for _ in range(number)]
    found: Counter[int] = Counter()
    for index in indices:
        while True:
            try:
                listeners.get(index).accept()[0].close()
            except BlockingIOError:
                break
            found[index] += 1
    for client in clients:
        client.close()
    return found


def test_new_connections_go_where_they_are_steered() -> None:
    """Also after a socket of the group was closed."""
    listeners = Listeners.bind("127.0.0.1", 0, 3)
    try:
        assert set(hits(listeners, 60, range(3))) == {0, 1, 2}
        listeners.steer([0, 2])
        assert set(hits(listeners, 60, range(3))) == {0, 2}
        listeners.drop(1)
        listeners.steer([2])
        listeners.ensure([2, 5])
        assert listeners.get(5).getsockname()[1] == listeners.port
        found = {i: hits(listeners, 40, range(i, i + 1))[i] for i in (2, 5)}
        assert min(found.values()) > 0
    finally:
        listeners.close()


def test_listeners_survive_a_new_program() -> None:
    """By their descriptors."""
    listeners = Listeners.bind("127.0.0.1", 0, 2)
    saved = [(index, os.dup(fd)) for index, fd in listeners.save()]
    listeners.close()
    again = Listeners.restore("127.0.0.1", listeners.port, saved)
    assert sum(hits(again, 10, range(2)).values()) == 10
    again.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", again.port), 5)
    again.close()


def test_a_port_is_not_shared_with_a_stranger() -> None:
    """Not even with one who would."""
    first = Listeners.bind("127.0.0.1", 0, 1)
    with pytest.raises(PortTaken, match=r"in use by another program.*ingest\.port"):
        Listeners.bind("127.0.0.1", first.port, 1)
    first.close()


def test_a_host_that_is_none() -> None:
    """Names the key."""
    with pytest.raises(EtldError, match=r"ingest\.host"):
        Listeners.bind("256.0.0.1", 0, 1)
