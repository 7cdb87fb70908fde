"""The daemon's end of the control socket: non-blocking, so that no client can hold the daemon up."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from etld.control import requests
from etld.control.path import address
from etld.control.session import ControlSession
from etld.control.verbs import Later, Reply, Verb
from etld.errors import EtldError
from etld.util.fair_share import FairShare

log = logging.getLogger("etld.control")

READ, WRITE = 1, 2
MAX_CLIENTS = 64
MAX_REQUEST = 1 << 20
MAX_UNREAD = 8 << 20
#: A client that has sent half a request, or does not read its answer, is let go after this many seconds.
PATIENCE = 30.0
#: Where places are short, the client that has been idle longest, and longer than this, makes room.
IDLE = 5.0
#: Seconds that requests may take of one turn of the loop; those that are left come in the next.
TURN = 0.01


class Selector(Protocol):
    """What the server needs of the daemon's loop."""

    def watch(self, fd: int, events: int, callback: Callable[[int], None]) -> None:
        """Call back when `fd` is ready for one of `events`."""

    def unwatch(self, fd: int) -> None:
        """Forget a descriptor."""


def bind(path: Path) -> socket.socket:
    """Listen on `path`, for its owner only; a socket file left behind is replaced. Raises EtldError.

    The caller holds the pid file's lock, so nobody else's live socket can be at this path.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        with address(path) as where:
            sock.bind(where)
        sock.listen(MAX_CLIENTS)
    except OSError as error:
        sock.close()
        raise EtldError(f"cannot make the control socket {path}: {error.strerror}", code="ETLD-S005") from error
    finally:
        os.umask(before)
    sock.setblocking(False)
    return sock


class ControlServer:
    """Serves verbs to up to 64 clients: the socket's owner, and root.

    Places are shared among the processes that ask: one that takes all it can get leaves half of them, so that an
    operator's command finds one.

    `on_abandoned` is called with an answer that nobody waits for any more.
    """

    def __init__(
        self,
        sock: socket.socket,
        selector: Selector,
        verbs: Mapping[str, Verb],
        on_abandoned: Callable[[Later], None],
    ) -> None:
        self.sock = sock
        self._selector = selector
        self._verbs = verbs
        self._on_abandoned = on_abandoned
        self._clients: dict[int, ControlSession] = {}
        #: By process id.
        self._places = FairShare[int](MAX_CLIENTS)
        self._queue: deque[ControlSession] = deque()
        selector.watch(sock.fileno(), READ, self._accept)

    def serve(self, now: float) -> None:
        """Send answers that have become ready, answer what was asked; drop clients that take too long."""
        for client in list(self._clients.values()):
            if client.later is not None:
                self._resume(client)
            elif (client.inbox or client.outbox) and now - client.since > PATIENCE:
                self._drop(client)
        # One request of each client in turn, so that nobody is served at the others' expense.
        until = time.monotonic() + TURN
        while self._queue and time.monotonic() < until:
            client = self._queue.popleft()
            client.queued = False
            if self._has(client):
                self._advance(client)

    @property
    def busy(self) -> bool:
        """Is there something to be answered at once?"""
        return bool(self._queue)

    @property
    def waiting(self) -> bool:
        """Does anybody wait for an answer?"""
        return any(client.later is not None for client in self._clients.values())

    def close(self) -> None:
        """Let everybody go."""
        for client in list(self._clients.values()):
            self._drop(client)
        self._selector.unwatch(self.sock.fileno())
        self.sock.close()

    # -- clients come and go

    def _accept(self, _events: int) -> None:
        for _ in range(2 * MAX_CLIENTS):  # connections without end do not hold up the rest
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            self._welcome(sock)

    def _welcome(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        pid, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        client = ControlSession(sock, pid)
        if uid not in (0, os.geteuid()):
            log.warning("control: refused a client of user id %d", uid)
            _refuse(sock, requests.failure("forbidden", "only the daemon's owner and root may do this"))
        elif not (self._places.take(pid, 1) or (self._make_room(pid, client.since) and self._places.take(pid, 1))):
            text = (
                f"{len(self._clients)} clients are connected already, {self._places.held(pid)} of them of this process"
            )
            _refuse(sock, requests.failure("busy", text))
        else:
            self._clients[client.fd] = client
            self._watch(client, READ)

    def _make_room(self, pid: int, now: float) -> bool:
        """Drop an idle client; where this process has some, one of them."""
        own = self._places.held(pid) > 0
        clients = [client for client in self._clients.values() if client.pid == pid or not own]
        idle = [c for c in clients if c.later is None and (not c.queued or c.gone)]
        oldest = min(idle, key=lambda client: client.since if not client.gone else 0.0, default=None)
        if oldest is None or (now - oldest.since < IDLE and not oldest.gone):
            return False
        self._drop(oldest)
        return True

    def _has(self, client: ControlSession) -> bool:
        """Is it still connected? Its descriptor may be another's by now."""
        return self._clients.get(client.fd) is client

    def _drop(self, client: ControlSession) -> None:
        if self._has(client):
            del self._clients[client.fd]
            self._places.give_back(client.pid, 1)
            self._selector.unwatch(client.fd)
            client.sock.close()

    # -- requests and answers

    def _watch(self, client: ControlSession, events: int) -> None:
        self._selector.watch(client.fd, events, lambda events: self._serve(client, events))

    def _serve(self, client: ControlSession, events: int) -> None:
        if events & READ and not client.ended:
            try:
                client.receive()
            except OSError:
                self._drop(client)
                return
        if events & WRITE:
            self._flush(client)
        if self._has(client):
            self._enqueue(client)

    def _enqueue(self, client: ControlSession) -> None:
        """Let it be answered when its turn comes; until then nothing more is read of it."""
        if not client.queued:
            client.queued = True
            self._queue.append(client)

    def _advance(self, client: ControlSession) -> None:
        """Answer the client's next request, unless it has to wait for an answer, or to read some."""
        if client.later is None and len(client.outbox) < MAX_UNREAD:
            line = client.next_request()
            if len(line or client.inbox) > MAX_REQUEST:
                client.reply(requests.failure("too_large", f"a request has at most {MAX_REQUEST} bytes"))
                if line is None:
                    client.inbox.clear()
                    client.ended = True
            elif line is not None:
                answer = requests.answer(line, self._verbs)
                if callable(answer):
                    client.later = answer
                else:
                    client.reply(answer)
            if line is not None:
                client.since = time.monotonic()
                self._enqueue(client)
        self._flush(client)

    def _resume(self, client: ControlSession) -> None:
        """Send the answer that the client waits for, if it is there now."""
        assert client.later is not None
        if client.gone:
            self._on_abandoned(client.later)
            self._drop(client)
            return
        answer = requests.guarded(client.later)
        if answer is not None:
            client.later = None
            client.since = time.monotonic()
            client.reply(answer)
            self._flush(client)
            if self._has(client):
                self._enqueue(client)

    def _flush(self, client: ControlSession) -> None:
        try:
            client.flush()
        except OSError:
            self._drop(client)
            return
        if client.done:
            self._drop(client)
            return
        full = client.queued or client.later is not None or len(client.outbox) >= MAX_UNREAD
        events = (0 if client.ended or full else READ) | (WRITE if client.outbox else 0)
        if events:
            self._watch(client, events)
        else:
            self._selector.unwatch(client.fd)


def _refuse(sock: socket.socket, reply: Reply) -> None:
    with contextlib.suppress(OSError):
        sock.send(json.dumps(reply).encode() + b"\n")
    sock.close()
