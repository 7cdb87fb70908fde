"""The daemon's end of the control socket: non-blocking, so that no client can hold the daemon up."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from etld.control.daemon import Daemon, Later, VerbError
from etld.control.path import address
from etld.control.verbs import VERBS
from etld.errors import ConfigError, EtldError

log = logging.getLogger("etld.control")

READ, WRITE = 1, 2
MAX_CLIENTS = 64
MAX_REQUEST = 1 << 20
MAX_UNREAD = 8 << 20
#: A client that has sent half a request, or does not read its answer, is let go after this long.
PATIENCE = 30.0
#: When all places are taken, the client that has been idle longest, and longer than this, makes room.
IDLE = 5.0
#: Seconds that requests may take of one turn of the loop; those that are left come in the next.
TURN = 0.01


class Selector(Protocol):
    """What the server needs of the daemon's loop."""

    def watch(self, fd: int, events: int, callback: Callable[[int], None]) -> None: ...

    def unwatch(self, fd: int) -> None: ...


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
        raise EtldError(f"cannot make the control socket {path}: {error.strerror}") from error
    finally:
        os.umask(before)
    sock.setblocking(False)
    return sock


def failure(code: str, message: str, **details: object) -> dict[str, Any]:
    """An answer that says no."""
    return {"ok": False, "error": {"code": code, "message": message, **details}}


class _Client:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.inbox = bytearray()
        self.outbox = bytearray()
        self.later: Later | None = None
        self.ended = False
        self.since = time.monotonic()
        #: Is it in the row of those with something to be answered?
        self.asking = False
        self._searched = 0

    def take(self) -> bytes | None:
        """The next request; None when none is whole. Empty lines cost next to nothing."""
        if self.inbox[:1].isspace():
            self.inbox, self._searched = self.inbox.lstrip(), 0
        end = self.inbox.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self.inbox)
            return None
        line = bytes(self.inbox[:end])
        del self.inbox[: end + 1]
        self._searched = 0
        return line

    @property
    def gone(self) -> bool:
        """Has it closed the connection, and not only its own direction?"""
        poll = select.poll()
        poll.register(self.fd, 0)
        return bool(poll.poll(0))


class Server:
    """Serves verbs to up to 64 clients: the socket's owner, and root."""

    def __init__(self, sock: socket.socket, daemon: Daemon, selector: Selector) -> None:
        self.sock = sock
        self._daemon = daemon
        self._selector = selector
        self._clients: dict[int, _Client] = {}
        self._row: deque[_Client] = deque()
        selector.watch(sock.fileno(), READ, self._accept)

    def pump(self, now: float) -> None:
        """Send answers that have become ready, answer what was asked; drop clients that take too long."""
        for client in list(self._clients.values()):
            if client.later is not None:
                self._resume(client)
            elif (client.inbox or client.outbox) and now - client.since > PATIENCE:
                self._drop(client)
        # One request of each client in turn, so that nobody is served at the others' expense.
        until = time.monotonic() + TURN
        while self._row and time.monotonic() < until:
            client = self._row.popleft()
            client.asking = False
            if self._has(client):
                self._advance(client)

    @property
    def busy(self) -> bool:
        """Is there something to be answered at once?"""
        return bool(self._row)

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

    def _accept(self, _events: int) -> None:
        for _ in range(2 * MAX_CLIENTS):  # whoever knocks without end does not hold up the rest
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            self._welcome(sock)

    def _welcome(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        uid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
        client = _Client(sock)
        if uid not in (0, os.geteuid()):
            log.warning("control: refused a client of user id %d", uid)
            self._refuse(client, failure("forbidden", "only the daemon's owner and root may do this"))
        elif len(self._clients) >= MAX_CLIENTS and not self._make_room(client.since):
            self._refuse(client, failure("busy", f"{MAX_CLIENTS} clients are connected already"))
        else:
            self._clients[client.fd] = client
            self._selector.watch(client.fd, READ, lambda events: self._serve(client, events))

    def _make_room(self, now: float) -> bool:
        idle = [c for c in self._clients.values() if c.later is None and (not c.asking or c.gone)]
        oldest = min(idle, key=lambda client: client.since if not client.gone else 0.0, default=None)
        if oldest is None or (now - oldest.since < IDLE and not oldest.gone):
            return False
        self._drop(oldest)
        return True

    def _refuse(self, client: _Client, reply: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            client.sock.send(json.dumps(reply).encode() + b"\n")
        client.sock.close()

    def _serve(self, client: _Client, events: int) -> None:
        if events & READ and not client.ended:
            try:
                data = client.sock.recv(65536)
            except BlockingIOError:
                data = None
            except OSError:
                self._drop(client)
                return
            if data == b"":
                client.ended = True
            elif data:
                if not client.inbox:
                    client.since = time.monotonic()
                client.inbox += data
        if events & WRITE:
            self._flush(client)
        if self._has(client):
            self._queue(client)

    def _queue(self, client: _Client) -> None:
        """Let it be answered when its turn comes; until then nothing more is read of it."""
        if not client.asking:
            client.asking = True
            self._row.append(client)

    def _advance(self, client: _Client) -> None:
        """Answer the client's next request, unless it has to wait for an answer, or to read some."""
        if client.later is None and len(client.outbox) < MAX_UNREAD:
            line = client.take()
            if len(line or client.inbox) > MAX_REQUEST:
                self._reply(client, failure("too_large", f"a request has at most {MAX_REQUEST} bytes"))
                if line is None:
                    client.inbox.clear()
                    client.ended = True
            elif line is not None:
                self._request(client, line)
            if line is not None:
                client.since = time.monotonic()
                self._queue(client)
        self._flush(client)

    def _request(self, client: _Client, line: bytes) -> None:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            self._reply(client, failure("bad_json", "a request is one JSON object on one line"))
            return
        if not isinstance(request, dict) or not isinstance(request.get("verb"), str):
            self._reply(client, failure("bad_request", 'a request is an object with a text "verb"'))
            return
        if request["verb"] not in VERBS:
            known = ", ".join(VERBS)
            self._reply(client, failure("unknown_verb", f"unknown verb {request['verb']!r}; there are {known}"))
            return
        run = VERBS[request["verb"]][0]
        answer = self._guarded(lambda: run(self._daemon, request))
        if callable(answer):
            client.later = answer
        else:
            self._reply(client, answer if answer is not None else {})

    def _resume(self, client: _Client) -> None:
        assert client.later is not None
        if client.gone:
            self._daemon.forsaken(client.later)
            self._drop(client)
            return
        answer = self._guarded(client.later)
        if isinstance(answer, dict):
            client.later = None
            client.since = time.monotonic()
            self._reply(client, answer)
            self._flush(client)
            if self._has(client):
                self._queue(client)

    def _guarded(self, call: Callable[[], Any]) -> Any:
        """A mistake of a verb, or of its caller, ends in an answer, never in the daemon."""
        try:
            return call()
        except VerbError as error:
            return failure(error.code, str(error), **error.details)
        except ConfigError as error:
            problems = [{"path": p.path, "line": p.line, "message": p.message} for p in error.problems]
            return failure("config", str(error), problems=problems)
        except EtldError as error:
            return failure("failed", str(error))
        except Exception as error:
            log.exception("a verb failed")
            return failure("internal", f"{type(error).__name__}: {error}")

    def _reply(self, client: _Client, reply: dict[str, Any]) -> None:
        client.outbox += json.dumps({"ok": True, **reply}, separators=(",", ":")).encode() + b"\n"

    def _flush(self, client: _Client) -> None:
        try:
            while client.outbox:
                del client.outbox[: client.sock.send(client.outbox)]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)
            return
        if client.ended and not client.outbox and client.later is None and not client.asking:
            self._drop(client)
            return
        full = client.asking or client.later is not None or len(client.outbox) >= MAX_UNREAD
        reading = 0 if client.ended or full else READ
        events = reading | (WRITE if client.outbox else 0)
        if events:
            self._selector.watch(client.fd, events, lambda events: self._serve(client, events))
        else:
            self._selector.unwatch(client.fd)

    def _has(self, client: _Client) -> bool:
        """Is it still connected? Its descriptor may be another's by now."""
        return self._clients.get(client.fd) is client

    def _drop(self, client: _Client) -> None:
        if self._has(client):
            del self._clients[client.fd]
            self._selector.unwatch(client.fd)
            client.sock.close()
