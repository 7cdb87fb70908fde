"""An HTTP client that costs little: keep-alive connections, one request under way on each."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass
class Load:
    """What came back."""

    answers: int = 0
    failures: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)


def request(path: str, body: bytes, kind: str = "application/json", key: str = "") -> bytes:
    """A POST, with a write key or without."""
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    if key:
        head += f"X-Write-Key: {key}\r\n"
    return f"{head}\r\n".encode() + body


def drive(
    address: tuple[str, int],
    requests: Iterator[bytes],
    connections: int,
    *,
    rate: float = 0.0,
    answered: Callable[[int, float], None] | None = None,
) -> Load:
    """Send every request, each connection waiting for its answer; `rate` requests a second at most (0: no limit).

    `answered` is told the number of each request that was accepted, and when its answer was there.
    """
    load = Load()
    poll = select.epoll()
    socks: dict[int, socket.socket] = {}
    sent: dict[int, tuple[int, float]] = {}
    parts: dict[int, bytes] = {}
    idle: list[int] = []
    for _ in range(connections):
        sock = socket.create_connection(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        socks[sock.fileno()] = sock
        poll.register(sock, select.EPOLLIN)
        idle.append(sock.fileno())
    began = time.monotonic()
    number = 0
    more = True
    while more or sent:
        now = time.monotonic()
        while more and idle and (not rate or number < (now - began) * rate):
            try:
                data = next(requests)
            except StopIteration:
                more = False
                break
            fd = idle.pop(0)
            sent[fd] = number, now
            parts[fd] = b""
            socks[fd].sendall(data)
            number += 1
        for fd, _ in poll.poll(0.001 if rate else 0.1):
            data = parts.get(fd, b"") + socks[fd].recv(262144)
            head, found, body = data.partition(b"\r\n\r\n")
            if not found or len(body) < _length(head):
                parts[fd] = data
                continue
            now = time.monotonic()
            which, at = sent.pop(fd)
            load.latencies.append(now - at)
            load.answers += 1
            if not head.startswith(b"HTTP/1.1 200"):
                load.failures += 1
            elif answered is not None:
                answered(which, now)
            idle.append(fd)
    load.seconds = time.monotonic() - began
    for sock in socks.values():
        sock.close()
    poll.close()
    return load


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.index(b"content-length:") + 15
    return int(lower[at:].split(b"\r\n", 1)[0])
