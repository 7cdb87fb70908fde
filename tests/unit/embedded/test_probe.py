"""The probes, against servers that answer, refuse, stay silent or close."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from etld.embedded import probe

Serve = Callable[[bytes | None], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Makes a server that answers any request with these bytes (None: never); gives its port."""
    listeners: list[socket.socket] = []
    held: list[socket.socket] = []

    def make(answer: bytes | None) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def one() -> None:
            conn, _address = listener.accept()
            held.append(conn)
            conn.recv(4096)
            if answer is not None:
                conn.sendall(answer)
                conn.close()

        threading.Thread(target=one, daemon=True).start()
        return int(listener.getsockname()[1])

    yield make
    for sock in (*listeners, *held):
        sock.close()


KAFKA_ANSWER = struct.pack(">iihi", 10, 1, 0, 0)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (KAFKA_ANSWER, True),
        (struct.pack(">iihi", 10, 1, 35, 0), False),
        (struct.pack(">iihi", 10, 7, 0, 0), False),
        (KAFKA_ANSWER[:6], False),
        (b"", False),
        (None, False),
    ],
)
def test_kafka(serve: Serve, answer: bytes | None, expected: bool) -> None:
    """Only a whole answer to our request, without an error, counts."""
    assert probe.kafka(serve(answer), timeout=0.2) is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"R\x00\x00\x00\x17\x00\x00\x00\x0aSCRAM", True),
        (b"E\x00\x00\x00\x08C57P03", False),
        (b"", False),
        (None, False),
    ],
)
def test_postgres(serve: Serve, answer: bytes | None, expected: bool) -> None:
    """It asks for the password: up. "The database system is starting up", or nothing: not."""
    assert probe.postgres(serve(answer), "etld", "etld", timeout=0.2) is expected


def test_nobody_listens() -> None:
    """A closed port is no error, only no."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    assert not probe.kafka(port)
    assert not probe.postgres(port, "etld", "etld")
