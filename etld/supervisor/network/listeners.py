"""Listening sockets of HTTP: one a slot on one port (SO_REUSEPORT), held here and inherited.

A worker's death closes none of them: what connects meanwhile waits in the kernel's queue for the
successor. Which sockets get new connections is set by a small program in the kernel
(SO_ATTACH_REUSEPORT_CBPF, see socket(7) and Documentation/networking/filter), so that a socket can
be left to run dry before it is closed.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterable, Sequence

from etld.errors import EtldError, PortTaken

_SO_ATTACH_FILTER = 26
_SO_ATTACH_REUSEPORT_CBPF = 51
_BACKLOG = 1024
# Classic BPF: load the kernel's random number, take it modulo k, compare, return.
_LOAD_RANDOM = (0x20, 0, 0, 0xFFFFF000 + 56)
_MODULO, _JUMP_EQUAL, _RETURN = 0x94, 0x15, 0x06
# The flags of a TCP header; SYN without ACK asks for a connection.
_LOAD_FLAGS = (0x30, 0, 0, 13)
_AND, _SYN_ACK, _SYN, _ALL = 0x54, 0x12, 0x02, 0xFFFFFFFF
_NO_SYN = (_LOAD_FLAGS, (_AND, 0, 0, _SYN_ACK), (_JUMP_EQUAL, 0, 1, _SYN), (_RETURN, 0, 0, 0), (_RETURN, 0, 0, _ALL))


class Listeners:
    """The sockets by slot index, in the order in which the kernel's group has them."""

    def __init__(self, host: str, port: int, sockets: dict[int, socket.socket] | None = None) -> None:
        self.host = host
        self.port = port
        self._order: list[int] = list(sockets or {})
        self._sockets = dict(sockets or {})

    @classmethod
    def bind(cls, host: str, port: int, count: int) -> Listeners:
        """Bind a port (0: any free one) for `count` slots. Raises PortTaken, EtldError."""
        family, address = _resolve(host, port)
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Without SO_REUSEPORT: a second daemon must not silently share the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _bind(probe, address, host)
            port = probe.getsockname()[1]
        listeners = cls(host, port)
        listeners.ensure(range(count))
        return listeners

    def elsewhere(self, host: str, port: int, count: int) -> Listeners | None:
        """Bound to another address; None when it is the same. Port 0 is the one that there is. Raises EtldError."""
        port = port or self.port
        return None if (host, port) == (self.host, self.port) else Listeners.bind(host, port, count)

    def take_over(self, other: Listeners) -> None:
        """Use the sockets of another; workers keep their copies of the old ones until they are replaced."""
        self.close()
        self.host, self.port = other.host, other.port
        self._order, self._sockets = other._order, other._sockets

    def ensure(self, indices: Iterable[int]) -> None:
        """Have a socket for each of these slots, and give new connections to them only."""
        wanted = list(indices)
        for index in wanted:
            if index not in self._sockets:
                self._sockets[index] = self._listen()
                self._order.append(index)
        self.steer(wanted)

    def steer(self, indices: Iterable[int]) -> None:
        """Give new connections to these slots only; the others keep what they have."""
        places = [self._order.index(index) for index in indices if index in self._sockets]
        if not places or len(self._order) == 1:
            return
        program = [_LOAD_RANDOM, (_MODULO, 0, 0, len(places))]
        for number, place in enumerate(places):
            program += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, place)]
        program.append((_RETURN, 0, 0, places[0]))
        _attach(next(iter(self._sockets.values())), _SO_ATTACH_REUSEPORT_CBPF, program)

    def get(self, index: int) -> socket.socket:
        """A slot's socket."""
        return self._sockets[index]

    def drop(self, index: int) -> None:
        """Close a slot's socket; the kernel puts the group's last in its place."""
        sock = self._sockets.pop(index, None)
        if sock is None:
            return
        sock.close()
        place = self._order.index(index)
        last = self._order.pop()
        if last != index:
            self._order[place] = last

    def ignore_new(self) -> None:
        """From now on drop the SYN of each new connection: the client's kernel sends it again after a second.

        A listener that is closed resets the connections in its queue; after this the queue has run empty.
        """
        for sock in self._sockets.values():
            _attach(sock, _SO_ATTACH_FILTER, _NO_SYN)

    def refuse(self) -> None:
        """From now on connections are refused, also by the copies that workers hold."""
        for sock in self._sockets.values():
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Close them all."""
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()
        self._order.clear()

    def save(self) -> list[tuple[int, int]]:
        """(slot index, descriptor) for the program that execs after this one."""
        for sock in self._sockets.values():
            sock.set_inheritable(True)
        return [(index, self._sockets[index].fileno()) for index in self._order]

    @classmethod
    def restore(cls, host: str, port: int, saved: Iterable[tuple[int, int]]) -> Listeners:
        """The inverse of save()."""
        sockets = {}
        for index, fd in saved:
            os.set_inheritable(fd, False)
            sockets[index] = socket.socket(fileno=fd)
        return cls(host, port, sockets)

    def _listen(self) -> socket.socket:
        family, address = _resolve(self.host, self.port)
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            _bind(sock, address, self.host)
            sock.listen(_BACKLOG)
        except BaseException:
            sock.close()
            raise
        sock.setblocking(False)
        return sock


def _attach(sock: socket.socket, option: int, program: Sequence[tuple[int, int, int, int]]) -> None:
    """Give the kernel a classic BPF program; without it all goes on, only less gently."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    packed = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, option, packed)


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        raise EtldError(
            f"ingest.host: {host!r} is no address of this machine: {error.strerror}", code="ETLD-S004"
        ) from error
    return found[0], (str(found[4][0]), int(found[4][1]))


def _bind(sock: socket.socket, address: tuple[str, int], host: str) -> None:
    try:
        sock.bind(address)
    except OSError as error:
        where = f"{host}:{address[1]}"
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(f"{where} is in use by another program: stop that program, or set ingest.port") from error
        if error.errno == errno.EACCES:
            raise EtldError(
                f"may not listen on {where}: ports below 1024 need privileges; set ingest.port", code="ETLD-S004"
            ) from error
        raise EtldError(
            f"cannot listen on {where}: {error.strerror}; see ingest.host and ingest.port", code="ETLD-S004"
        ) from error
