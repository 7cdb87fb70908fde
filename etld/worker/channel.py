"""JSON lines over one end of a socketpair, never blocking.

Worker to supervisor, `type` is "ready", "beat" (changed values, absolute; see metrics.py), "paused"
(nothing is in hand any more; {positions} where they were asked for: [topic, partition, offset] each),
"reloaded" (the configuration is taken, or refused), "progress" ({text}), "metrics" (it wants those of the daemon),
"fatal" ({reason, daemon}) or "error" ({message}).
Supervisor to worker: "stop" ({leaves}: "slot" or "daemon" when that does not come back), "pause" ({until}: positions up
to which it still goes, and asks for those at which it rests), "resume", "daemon" ({state, problems}), "host" ({report}:
how the daemon is, for the other hosts; to one worker that reads topics), "metrics" ({text, fresh}: zlib in a pickle,
and for how many seconds), or "reload" ({config}: base64 of a pickle; both ends are one program in one process tree).
"""

from __future__ import annotations

import base64
import json
import pickle
import socket
from typing import Any

_CHUNK = 65536
#: A peer that sends a longer line than this is broken, and what waits to be sent never grows past it.
LIMIT = 4 * 1024 * 1024


class Channel:
    """One end. Whole messages in, whole messages out; `closed` after the end of file."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.closed = False
        #: Bytes that have come so far.
        self.received = 0
        self._in = bytearray()
        self._out = bytearray()

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self.sock.fileno()

    @property
    def pending(self) -> int:
        """Bytes that the peer has not yet taken."""
        return len(self._out)

    def send(self, message: dict[str, Any]) -> bool:
        """Queue a message and send what the peer takes; False when it reads too slowly or is gone."""
        if self.closed or len(self._out) > LIMIT:
            return False
        self._out += json.dumps(message, separators=(",", ":")).encode() + b"\n"
        self.flush()
        return not self.closed

    def flush(self) -> None:
        """Send what waits, as far as the peer takes it."""
        while self._out and not self.closed:
            try:
                sent = self.sock.send(self._out)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._end()
                return
            del self._out[:sent]

    def receive(self, limit: int = 16 * _CHUNK) -> list[dict[str, Any]]:
        """The messages that have come, reading at most `limit` bytes so that a flood cannot hold the reader."""
        taken = 0
        while taken < limit and not self.closed:
            try:
                data = self.sock.recv(_CHUNK)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                data = b""
            if not data:
                self._end()
                break
            taken += len(data)
            self.received += len(data)
            self._in += data
        return self._lines()

    def save(self) -> tuple[str, str]:
        """What was received and not understood yet, and what waits to be sent."""
        return pack(bytes(self._in)), pack(bytes(self._out))

    def restore(self, saved: tuple[str, str]) -> None:
        """The inverse of save(), on a new object for the same socket."""
        self._in, self._out = bytearray(unpack(saved[0])), bytearray(unpack(saved[1]))

    def close(self) -> None:
        """Close this end; the peer sees the end of file."""
        self._end()
        self.sock.close()

    def _end(self) -> None:
        self.closed = True
        self._out.clear()

    def _lines(self) -> list[dict[str, Any]]:
        *lines, rest = bytes(self._in).split(b"\n")
        self._in = bytearray(rest if len(rest) <= LIMIT else b"")
        messages = []
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                continue  # a worker gone mad must not take the supervisor with it
            if isinstance(message, dict):
                messages.append(message)
        return messages


def pair() -> tuple[Channel, Channel]:
    """The supervisor's end and the worker's."""
    ours, theirs = socket.socketpair()
    return Channel(ours), Channel(theirs)


def pack(value: object) -> str:
    """An object as text for a message."""
    return base64.b64encode(pickle.dumps(value)).decode()


def unpack(text: str) -> Any:
    """The inverse of pack(); only for what our own parent sent over a private socketpair."""
    return pickle.loads(base64.b64decode(text))  # noqa: S301  # see above
