"""The server of one process: its connections, their time-outs, the way to an even share of them, the drain."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from etld.ingest.http import open_files
from etld.ingest.http.connection import ConnectionState, HttpConnection
from etld.ingest.http.status import LINGER, ServerStatus
from etld.ingest.http.tls import TlsConnection
from etld.util.addresses import site

if TYPE_CHECKING:
    import ssl

    from etld.ingest.http.connection_balancer import ConnectionBalancer
    from etld.ingest.http.request import HttpRequest, Sender

#: Seconds between two calls of `tick`.
TICK = 0.1
_BACKLOG = 1024
_SWEEP_EVERY = 10
#: Seconds that idle keep-alive connections may still send once a drain has begun; then they are closed.
_DRAIN_GRACE = 2.0
#: Seconds that a server that stops goes on accepting at most; a daemon that stops refuses a little earlier.
_LAST_CALL = 0.5
#: So many connections that were turned away may yet read why.
_MOST_TURNED_AWAY = 50


class Application(Protocol):
    """What is served."""

    def handle(self, connection: HttpConnection, request: HttpRequest) -> None:
        """Serve one complete request; answer it once, now or later. Raises nothing."""

    def admit(self, connection: HttpConnection, request: HttpRequest) -> Sender:
        """Judge a request by its head: its body comes later, and may be large. Raises `HttpRefusal`, nothing else."""

    def extra_headers(self, request: HttpRequest) -> bytes:
        """Finished header lines for an answer that the connection gives to this request by itself."""


class HttpServer:
    """Serves an application on sockets that listen already; whoever runs it calls `tick` every `TICK` seconds.

    `tls` is what connections from now on are encrypted with, None for plain HTTP; it may be replaced at any time.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        application: Application,
        status: ServerStatus,
        balancer: ConnectionBalancer | None = None,
    ) -> None:
        self.status = status
        self.handle = application.handle
        self.admit = application.admit
        self.extra_headers = application.extra_headers
        self.connections: dict[HttpConnection, None] = {}
        self.tls: ssl.SSLContext | None = None
        self._loop = loop
        self._max_connections = open_files.room(status.limits.max_connections)
        self._balancer = balancer
        self._turned_away: dict[HttpConnection, None] = {}
        self._ticks = 0
        self._sockets: Sequence[socket.socket] = ()
        self._servers: list[asyncio.Server] = []

    @property
    def processes(self) -> int:
        """How many processes serve the same port, as far as is known."""
        return 1 if self._balancer is None else self._balancer.processes

    async def listen(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections."""
        self._sockets = sockets
        for sock in sockets:
            server = await self._loop.create_server(self._connection, sock=sock, backlog=_BACKLOG)
            self._servers.append(server)

    def _connection(self) -> asyncio.Protocol:
        connection = HttpConnection(self)
        return connection if self.tls is None else TlsConnection(connection, self.tls, self.status.failed)

    # What a connection asks

    def opened(self, connection: HttpConnection) -> bool:
        """Room for one more? The connection that has been idle longest makes way, or else a slow one."""
        connections = self.connections
        if len(connections) >= self._max_connections:
            least = _dispensable(connections)
            if least is None:
                self._turn_away(connection)
                return False
            least.give_way()
        connections[connection] = None
        return True

    def closed(self, connection: HttpConnection) -> None:
        """It is gone."""
        self.connections.pop(connection, None)
        self._turned_away.pop(connection, None)

    def _turn_away(self, connection: HttpConnection) -> None:
        """It is told that there is no room, and closed soon, also when its client does nothing about it."""
        if len(self._turned_away) >= _MOST_TURNED_AWAY:
            oldest = next(iter(self._turned_away))
            del self._turned_away[oldest]
            oldest.close()
        self._turned_away[connection] = None

    # The clock

    def tick(self) -> None:
        """Ten times a second: the time, and once a second time-outs and shares."""
        status = self.status
        status.tick()
        self._ticks += 1
        if self._ticks % _SWEEP_EVERY == 0 or status.draining:
            self._sweep()
            if self._balancer is not None and not status.draining:
                status.surplus = self._balancer.surplus(len(self.connections), status.wall)

    def _sweep(self) -> None:
        """Close what takes too long."""
        for connection in (*self.connections, *self._turned_away):
            age = self.status.now - connection.since
            late = self._late_with(connection, age)
            if late:
                connection.timed_out(late)
            elif self._is_over(connection, age):
                connection.close()

    def _late_with(self, connection: HttpConnection, age: float) -> str:
        """What of a request its client takes too long for; "" when it does not."""
        limits, state = self.status.limits, connection.state
        if state == ConnectionState.HEADERS and age > limits.header_timeout:
            return "request's headers"
        if state == ConnectionState.BODY and age > limits.body_timeout:
            return "request's body"
        return ""

    def _is_over(self, connection: HttpConnection, age: float) -> bool:
        """Has the connection been idle, closing, or unread for too long?"""
        limits = self.status.limits
        if connection.stuck and age > limits.body_timeout:
            return True
        if connection.state == ConnectionState.IDLE:
            idle = LINGER if self.status.draining else limits.keep_alive
            # A connection that never sent anything has less patience to expect than one that did.
            return age > (idle if connection.served else min(idle, limits.header_timeout))
        return connection.state == ConnectionState.CLOSE and age > LINGER

    # The end

    async def drain(self, longest: float, tick: Callable[[], None]) -> None:
        """Accept no more, answer what is in hand with `Connection: close`, for `longest` seconds at most.

        `tick` is called instead of this server's own, which it has to call.
        """
        if self._balancer is not None:
            self._balancer.close()
            self._balancer = None
        self.status.surplus = 0
        self.status.draining = True
        await self._last_call(tick)
        for server in self._servers:
            server.close()
        started = self._loop.time()
        longest = max(longest, _DRAIN_GRACE + 1.0)
        while self.connections and self._loop.time() - started < longest:
            tick()
            if self._loop.time() - started > _DRAIN_GRACE:
                self._close_all((ConnectionState.IDLE, ConnectionState.HEADERS))
            await asyncio.sleep(TICK / 4)
        self._close_all(tuple(ConnectionState))

    async def _last_call(self, tick: Callable[[], None]) -> None:
        """Take what has connected, until the supervisor refuses connections: a queued one would be reset unanswered."""
        until = self._loop.time() + _LAST_CALL
        while self._loop.time() < until and all(_listens(sock) for sock in self._sockets):
            tick()
            await asyncio.sleep(TICK / 4)

    def _close_all(self, states: Sequence[ConnectionState]) -> None:
        for connection in tuple(self.connections):
            if connection.state in states:
                connection.close()


def _listens(sock: socket.socket) -> bool:
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def _dispensable(connections: Iterable[HttpConnection]) -> HttpConnection | None:
    """Who makes way: the longest idle; else, of the address with most slow headers (then bodies), the oldest."""
    for state in (ConnectionState.IDLE, ConnectionState.HEADERS, ConnectionState.BODY):
        some = [item for item in connections if item.state == state]
        if some:
            if state != ConnectionState.IDLE:
                most = Counter(site(item.peer) for item in some).most_common(1)[0][0]
                some = [item for item in some if site(item.peer) == most]
            return min(some, key=lambda item: item.since)
    return None
