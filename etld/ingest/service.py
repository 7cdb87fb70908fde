"""The server of one ingest process: its connections, its routes, its clock."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from etld.ingest.admission import Denied
from etld.ingest.counters import IngestCounters
from etld.ingest.http import open_files
from etld.ingest.http.answers import Answer, date_header, problem
from etld.ingest.http.connection import Connection
from etld.ingest.http.connection_balancer import ConnectionBalancer
from etld.ingest.http.host import KEEP_ALIVE, LINGER, State

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage

    from etld.ingest.admission import Admission
    from etld.ingest.endpoints import EventEndpoints
    from etld.ingest.keys import Key
    from etld.worker import Worker

log = logging.getLogger("etld.ingest")

TICK = 0.1
_SWEEP_EVERY = 10
#: Bytes of bodies that are still being read, over all connections.
READING_LIMIT = 64 << 20

Handler = Callable[[Connection, "RawRequestMessage", bytes], None]
Routes = dict[str, dict[str, Handler]]


class Service:
    """What `connection.Host` asks for; `endpoints` and `admission` are replaced by a reload."""

    def __init__(
        self, worker: Worker, loop: asyncio.AbstractEventLoop, endpoints: EventEndpoints, admission: Admission
    ) -> None:
        self.worker = worker
        self.loop = loop
        self.endpoints = endpoints
        self.admission = admission
        self.counters = IngestCounters()
        #: The write key of the request in hand, once it is known.
        self.key: Key | None = None
        self.routes: Routes = {}
        self.connections: dict[Connection, None] = {}
        self.now = loop.time()
        self.wall = time.time()
        self.date = date_header(self.wall)
        self.draining = False
        self.buffered = 0
        self.surplus = 0
        self.spread: ConnectionBalancer | None = None
        self.max_body = worker.config.ingest.max_body
        self.max_connections = open_files.room(worker.config.ingest.max_connections)
        self._ticks = 0

    # connection.Host

    def handle(self, connection: Connection, message: RawRequestMessage, body: bytes) -> None:
        """Serve one complete request; every path ends in one answer."""
        self.key = None
        try:
            self.counters.requests += 1
            if self.admission.cors:
                connection.extra = self.origin(message)
            methods = self.routes.get(message.path) or self.routes.get(_path(message))
            if methods is None:
                self._charge(connection, message)
                raise Denied(
                    problem(
                        404,
                        "no_such_path",
                        f"there is nothing here; see {self._paths()}",
                    )
                )
            handler = methods.get(message.method)
            if handler is None:
                handler = self._other_method(connection, message, methods)
            handler(connection, message, body)
        except Denied as denied:
            self._count(denied.answer)
            connection.answer(denied.answer)
        except Exception:
            # A mistake of ours: the client may try again, the log has the stack, the process lives on.
            log.exception("a request to %s failed", message.path[:100])
            connection.answer(problem(503, "internal", "etld could not handle this request", retry_after=5))

    def opened(self, connection: Connection) -> bool:
        """Room for one more? The connection that has been idle longest makes way, or else a slow one."""
        connections = self.connections
        if len(connections) >= self.max_connections:
            least = _dispensable(connections)
            if least is None:
                return False
            least.give_way()
        connections[connection] = None
        return True

    def closed(self, connection: Connection) -> None:
        """It is gone."""
        self.connections.pop(connection, None)

    def origin(self, message: RawRequestMessage) -> bytes:
        """The headers that let a browser's page read the answer to this request."""
        return self.admission.origin_headers(message.headers) if self.admission.cors else b""

    def room_for(self, size: int) -> bool:
        """May another `size` bytes of a body be held?"""
        return self.buffered + size <= READING_LIMIT

    # The clock

    def tick(self) -> None:
        """Ten times a second: time, time-outs, beats."""
        self.now = self.loop.time()
        wall = time.time()
        if int(wall) != int(self.wall):
            self.date = date_header(wall)
        self.wall = wall
        self._ticks += 1
        for producer in self.endpoints.producers:
            producer.tick(self.now)
        if self._ticks % _SWEEP_EVERY == 0 or self.draining:
            self.sweep()
            if self.spread is not None and not self.draining:
                self.surplus = self.spread.surplus(len(self.connections), self.wall)
                self.admission.processes(self.spread.processes)
        if self._ticks % 5 == 0:
            self.report()
        self.worker.beat()

    def report(self) -> None:
        """Hand the counts to the worker, and say what is wrong with Kafka."""
        self.counters.flush(self.worker)
        self.worker.fault(
            "kafka", next((producer.away for producer in self.endpoints.producers if producer.away), None)
        )
        self.worker.gauge("connections", len(self.connections))
        self.worker.gauge(
            "queue_depth", sum(producer.waiting for producer in self.endpoints.producers), queue="requests"
        )
        self.worker.gauge(
            "queue_depth", sum(producer.in_flight for producer in self.endpoints.producers), queue="kafka"
        )

    def sweep(self) -> None:
        """Close what takes too long."""
        ingest = self.worker.config.ingest
        idle = LINGER if self.draining else KEEP_ALIVE
        for connection in tuple(self.connections):
            age = self.now - connection.since
            state = connection.state
            if state == State.IDLE:
                # A connection that never sent anything has less patience to expect than one that did.
                if age > (idle if connection.served else min(idle, ingest.header_timeout)):
                    connection.close()
                elif age > ingest.header_timeout and connection.begun():
                    connection.timed_out("request's headers")
            elif state == State.HEADERS:
                if age > ingest.header_timeout:
                    connection.timed_out("request's headers")
            elif state == State.BODY:
                if age > ingest.body_timeout:
                    connection.timed_out("request's body")
            elif state == State.CLOSE:
                if age > LINGER:
                    connection.close()
            if connection.stuck and age > ingest.body_timeout:
                connection.close()

    # Inside

    def _other_method(self, connection: Connection, message: RawRequestMessage, methods: dict[str, Handler]) -> Handler:
        names = [*methods, "OPTIONS"] + (["HEAD"] if "GET" in methods else [])
        allow = b"Allow: " + ", ".join(sorted(names)).encode() + b"\r\n"
        if message.method == "HEAD" and "GET" in methods:
            return methods["GET"]
        if message.method == "OPTIONS":
            headers = allow + self.admission.preflight(message.headers)
            return lambda connection, message, body: connection.answer(Answer(204, headers=headers))
        self._charge(connection, message)
        detail = f"{message.method} is not for this path; use {' or '.join(methods)}"
        raise Denied(problem(405, "wrong_method", detail, headers=allow))

    def _charge(self, connection: Connection, message: RawRequestMessage) -> None:
        """Nothing is served, but it was work: it costs as much as an event."""
        if not self.admission.unrestricted:
            self.admission.charge_address(connection.peer, message.headers, self.now)

    def _paths(self) -> str:
        return ", ".join(self.routes)

    def _count(self, answer: Answer) -> None:
        if answer.status == 429:
            self.counters.limited += 1
            self.counters.count_key(self.key, "limited")
        elif answer.status != 503:
            self.counters.rejected += 1
            self.counters.count_key(self.key, "rejected")


def _dispensable(connections: Iterable[Connection]) -> Connection | None:
    """Who makes way: the longest idle; else, of the address with most slow headers (then bodies), the oldest."""
    for state in (State.IDLE, State.HEADERS, State.BODY):
        some = [item for item in connections if item.state == state]
        if some:
            if state != State.IDLE:
                most = Counter(item.peer for item in some).most_common(1)[0][0]
                some = [item for item in some if item.peer == most]
            return min(some, key=lambda item: item.since)
    return None


def _path(message: RawRequestMessage) -> str:
    """The path without its query, also of an absolute-form target (RFC 9112, section 3.2.2)."""
    path: Any = message.url.raw_path
    return str(path)
