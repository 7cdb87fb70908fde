"""The ingest worker: an event loop around one `Service`, from start to drain."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

import uvloop
from aiohttp import http_parser

from etld.deadletters.letter_headers import DEAD_LETTER_TOPIC
from etld.errors import EtldError
from etld.ingest import openapi
from etld.ingest.admission import Admission
from etld.ingest.endpoints import EventEndpoints
from etld.ingest.http.connection import Connection
from etld.ingest.http.connection_balancer import ConnectionBalancer
from etld.ingest.http.host import State
from etld.ingest.probes import Probes
from etld.ingest.producers import Producers
from etld.ingest.service import TICK, Service
from etld.schemas import catalog

if TYPE_CHECKING:
    from etld.config import Config
    from etld.schemas.catalog import Catalog
    from etld.worker import Worker

log = logging.getLogger("etld.ingest")

BACKLOG = 1024
#: Idle keep-alive connections may send this long into a drain; then they are closed.
GRACE = 2.0
#: A process that stops goes on accepting for this long at most; a daemon that stops refuses a little earlier.
LAST_CALL = 0.5
#: Seconds that the process waits for Kafka before it calls itself ready all the same, to answer with 503.
PATIENCE = 10.0


def run(worker: Worker) -> None:
    """Serve `worker.sockets` until told to stop, then answer what is in hand and flush."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        worker.fatal(
            "aiohttp runs without its C parser, and its Python one lets requests be smuggled:"
            " unset AIOHTTP_NO_EXTENSIONS, or install an aiohttp wheel for this platform"
        )
    uvloop.run(_serve(worker))


async def _serve(worker: Worker) -> None:
    loop = asyncio.get_running_loop()
    types = catalog.of_registered(worker.config)
    producers = Producers(loop, worker.config, worker.addresses, topics(types))
    service = Service(worker, loop, EventEndpoints(worker.config, types, producers), Admission(worker.config))
    service.spread = ConnectionBalancer(worker.config.state_dir / "ingest-connections", worker.index)
    service.routes = openapi.routes(service, Probes(service))
    service.counters.begin(worker)
    worker.on_reload = lambda config: reload(service, config)
    loop.add_reader(worker.fileno(), worker.receive)
    # Who connects now waits in the backlog: better than a 503 because the producer is not there yet.
    while not producers.main.contact.answered and not worker.stopping:
        producers.main.tick(loop.time())
        worker.beat()
        await asyncio.sleep(TICK / 10)
    servers = [
        await loop.create_server(lambda: Connection(service, loop), sock=sock, backlog=BACKLOG)
        for sock in worker.sockets
    ]
    until = loop.time() + PATIENCE
    told = False
    while not worker.stopping and not producers.broken:
        service.tick()
        if not told and (producers.main.contact.proven or loop.time() > until):
            told = True
            service.report()
            worker.ready()
        await asyncio.sleep(TICK)
    service.spread.close()
    service.spread, service.surplus = None, 0
    service.draining = True
    await _last_call(service)
    for server in servers:
        server.close()
    await _drain(service)
    left = await producers.close(worker.config.ingest.ack_timeout)
    service.report()
    worker.beat(force=True)
    loop.remove_reader(worker.fileno())
    if left:
        log.warning(
            "%d records were not acknowledged by Kafka before the end; nobody was told they were",
            left,
        )
    if producers.broken:
        raise EtldError(f"the Kafka producer cannot go on, a new process makes a new one: {producers.broken}")


def topics(types: Catalog) -> list[str]:
    """Every topic that events go to; the first is the one that tells whether Kafka is there."""
    return list(dict.fromkeys([*(kind.topic for kind in types), DEAD_LETTER_TOPIC]))


def reload(service: Service, config: Config) -> None:
    """Take a new configuration, schemas and keys; what is broken leaves the old ones in force."""
    try:
        types = catalog.of_registered(config)
        endpoints, admission = EventEndpoints(config, types, service.endpoints.producers), Admission(config)
    except EtldError as error:
        log.error("the reload is not taken: %s", error)
        service.worker.fault("ingest-reload", str(error))
        return
    service.worker.fault("ingest-reload", None)
    service.endpoints, service.admission = endpoints, admission
    service.max_body = config.ingest.max_body
    endpoints.producers.configure(config, topics(types))
    log.info("new configuration taken: %d event types", len(types))


async def _last_call(service: Service) -> None:
    """Take what has connected, until the supervisor refuses connections: a queued one would be reset unanswered."""
    until = service.loop.time() + LAST_CALL
    while service.loop.time() < until and all(_listens(sock) for sock in service.worker.sockets):
        service.tick()
        await asyncio.sleep(TICK / 4)


def _listens(sock: socket.socket) -> bool:
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


async def _drain(service: Service) -> None:
    """Answer what is in hand, with `Connection: close`; idle connections go after the grace time."""
    loop = service.loop
    ingest = service.worker.config.ingest
    started = loop.time()
    longest = max(ingest.ack_timeout + 1.0, GRACE + 1.0)
    while service.connections and loop.time() - started < longest:
        service.tick()
        if loop.time() - started > GRACE:
            for connection in tuple(service.connections):
                if connection.state in (State.IDLE, State.HEADERS):
                    connection.close()
        await asyncio.sleep(TICK / 4)
    for connection in tuple(service.connections):
        connection.close()
