"""A TCP proxy in front of a server that can cut, hold back, slow down, and lose the answer to a COMMIT."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Callable

_CHUNK = 65536
# What TCP waits, at least, before it sends a lost segment again; twice for good measure.
_RETRANSMISSION = 0.4
# A simple query of exactly this text, as libpq sends it; and the server's word that it was done.
_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
_COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"


class Proxy:
    """Listens on a port of loopback and passes everything on to `target`, until told otherwise.

    `blackhole`: nothing is passed on in either direction, nothing is closed, what came is kept.
    `delay`: seconds that each piece is held, each way. `loss`: the share of pieces that come only with a
    retransmission, `_RETRANSMISSION` seconds later, drawn from `rng`. `cut()`: every connection is reset, and with
    `refuse` so is each new one. `lose_commits(n, by)`: the next n COMMITs of connections whose
    application_name has `by` in it reach the server; its answer is lost, and the connection with it.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self.delay = 0.0
        self.loss = 0.0
        self.rng = random.Random()
        self.late = 0
        self.refuse = False
        self.refused = 0
        self.passed = 0
        self.held = 0
        self.commits_lost = 0
        self.on_lost_commit: Callable[[], None] | None = None
        self._lose = 0
        self._lose_by = b""
        self._open = threading.Event()
        self._open.set()
        self._links: set[_Link] = set()
        self._lock = threading.Lock()
        self._closed = False
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    @property
    def blackhole(self) -> bool:
        """Is nothing passed on?"""
        return not self._open.is_set()

    @blackhole.setter
    def blackhole(self, on: bool) -> None:
        if on:
            self._open.clear()
        else:
            self._open.set()

    def lose_commits(self, count: int, by: str) -> None:
        """Lose the answers to that many COMMITs of connections whose application_name contains `by`."""
        with self._lock:
            self._lose, self._lose_by = count, by.encode()

    def cut(self, *, refuse: bool = False) -> int:
        """Reset every connection; how many there were."""
        self.refuse = refuse
        with self._lock:
            links = list(self._links)
        for link in links:
            link.close(reset=True)
        return len(links)

    def heal(self) -> None:
        """Pass on again."""
        self.refuse = False
        self.delay = self.loss = 0.0
        with self._lock:
            self._lose = 0
        self._open.set()

    def close(self) -> None:
        """End it and all that goes through it."""
        self._closed = True
        self._listener.close()
        self.heal()
        self.cut()

    def loses(self, link: _Link) -> bool:
        """Is the answer to this COMMIT to be lost? Counts it."""
        with self._lock:
            if self._lose and self._lose_by in link.application:
                self._lose -= 1
                return True
            return False

    def forget(self, link: _Link) -> None:
        """It is closed."""
        with self._lock:
            self._links.discard(link)

    def wait(self) -> None:
        """Held back while the black hole is there; slowed by `delay`."""
        if not self._open.is_set():
            self.held += 1
            self._open.wait()
        if self.loss and self.rng.random() < self.loss:
            self.late += 1
            time.sleep(_RETRANSMISSION)
        if self.delay:
            time.sleep(self.delay)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuse:
                self.refused += 1
                _reset(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
                server.settimeout(None)
            except OSError:
                _reset(client)
                continue
            link = _Link(self, client, server)
            with self._lock:
                self._links.add(link)
            link.start()


class _Link:
    """One connection through the proxy: two threads, one for each direction."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._losing = False
        self.application = b""
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self) -> None:
        threading.Thread(target=self._pump, args=(self._client, self._server, True), daemon=True).start()
        threading.Thread(target=self._pump, args=(self._server, self._client, False), daemon=True).start()

    def close(self, *, reset: bool = False) -> None:
        self._proxy.forget(self)
        for end in (self._client, self._server):
            if reset:
                _reset(end)
            else:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def _pump(self, source: socket.socket, sink: socket.socket, outward: bool) -> None:
        try:
            while data := source.recv(_CHUNK):
                self._proxy.wait()
                if outward:
                    self._look(data)
                elif self._losing:
                    if _COMMITTED in data:
                        self._proxy.commits_lost += 1
                        if self._proxy.on_lost_commit is not None:
                            self._proxy.on_lost_commit()
                        self.close(reset=True)
                        return
                    continue
                sink.sendall(data)
                self._proxy.passed += 1
        except OSError:
            pass
        self.close()

    def _look(self, data: bytes) -> None:
        if not self.application and b"application_name\0" in data:
            self.application = data.partition(b"application_name\0")[2].partition(b"\0")[0]
        if data.endswith(_COMMIT) and self._proxy.loses(self):
            self._losing = True


def _reset(end: socket.socket) -> None:
    """Close with RST instead of FIN; the shutdown wakes the thread that reads from it."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RD)
    with contextlib.suppress(OSError):
        end.close()
