"""One client of the control socket, as the daemon sees it."""

from __future__ import annotations

import json
import select
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etld.control.verbs import Later, Reply


class ControlSession:
    """`inbox` is what has come and is not answered, `outbox` what the client has not read, `pid` its process."""

    def __init__(self, sock: socket.socket, pid: int) -> None:
        self.sock = sock
        self.pid = pid
        self.fd = sock.fileno()
        self.inbox = bytearray()
        self.outbox = bytearray()
        #: The answer that it waits for.
        self.later: Later | None = None
        #: It sends nothing more.
        self.ended = False
        #: When it last began a request, or got an answer (monotonic).
        self.since = time.monotonic()
        #: Is it in the queue of those with something to be answered?
        self.queued = False
        self._searched = 0

    def receive(self) -> None:
        """Read once what has come. Raises OSError."""
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        if not data:
            self.ended = True
            return
        if not self.inbox:
            self.since = time.monotonic()
        self.inbox += data

    def next_request(self) -> bytes | None:
        """The next line; None when none is whole. Empty lines cost next to nothing."""
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

    def reply(self, reply: Reply) -> None:
        """Put an answer into the outbox."""
        self.outbox += json.dumps({"ok": True, **reply}, separators=(",", ":")).encode() + b"\n"

    def flush(self) -> None:
        """Send as much of the outbox as the client takes. Raises OSError."""
        try:
            while self.outbox:
                del self.outbox[: self.sock.send(self.outbox)]
        except BlockingIOError:
            pass

    @property
    def done(self) -> bool:
        """Has it asked its last, and got every answer?"""
        return self.ended and not self.outbox and self.later is None and not self.queued

    @property
    def gone(self) -> bool:
        """Has it closed the connection, and not only its own direction?"""
        poll = select.poll()
        poll.register(self.fd, 0)
        return bool(poll.poll(0))
