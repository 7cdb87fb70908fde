"""The ingest worker: an event loop around a server and what it serves, from start to drain."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

import uvloop

from etld.errors import EtldError
from etld.ingest import certificate
from etld.ingest.counters import IngestCounters
from etld.ingest.http.connection_balancer import ConnectionBalancer
from etld.ingest.http.server import TICK, HttpServer
from etld.ingest.http.status import HttpLimits, ServerStatus
from etld.ingest.producers import Producers
from etld.ingest.runtime import IngestRuntime
from etld.ingest.service import IngestService
from etld.ingest.topic_limits import TopicLimits
from etld.kafka.settings import client_settings
from etld.schemas import catalog

if TYPE_CHECKING:
    from etld.config import Config
    from etld.ingest.certificate import Certificate
    from etld.schemas.catalog import Catalog
    from etld.worker import Worker

log = logging.getLogger("etld.ingest")

#: Seconds that the process waits for Kafka before it calls itself ready all the same, to answer with 503.
_PATIENCE = 10.0
#: In ticks.
_REPORT_EVERY, _LOOK_EVERY = 5, 600


def run(worker: Worker) -> None:
    """Serve `worker.sockets` until told to stop, then answer what is in hand and flush."""
    uvloop.run(_run(worker))


async def _run(worker: Worker) -> None:
    loop = asyncio.get_running_loop()
    process = IngestProcess(worker, loop)
    worker.on_reload = process.reload
    loop.add_reader(worker.fileno(), worker.receive)
    await process.find_kafka()
    await process.serve()
    await process.drain()
    loop.remove_reader(worker.fileno())
    broken = process.producers.broken
    if broken:
        raise EtldError(f"the Kafka producer cannot go on, a new process makes a new one: {broken}", code="ETLD-K016")


class IngestProcess:
    """One ingest process: what it is made of, and what it does one after the other."""

    def __init__(self, worker: Worker, loop: asyncio.AbstractEventLoop) -> None:
        config = worker.config
        types = catalog.of_registered(config)
        limits = _limits(config)
        status = ServerStatus(loop, limits)
        balancer = ConnectionBalancer(config.state_dir / "ingest-connections", worker.index)
        self.producers = Producers(loop, config, worker.addresses, topics(config, types))
        runtime = IngestRuntime(worker, self.producers, IngestCounters(), status)
        runtime.counters.begin(worker)
        self._worker = worker
        self._loop = loop
        self._service = IngestService(config, types, runtime)
        self._server = HttpServer(loop, self._service, status, balancer)
        self._certificate: Certificate | None = None
        self._show(certificate.load(config.ingest))
        self._topics = topics(config, types)
        settings = client_settings(config, worker.addresses)
        # One process asks for all of them.
        self._limits = None if worker.index else TopicLimits(loop, settings, partial(worker.fault, "topic-limits"))
        self._ticks = 0

    async def find_kafka(self) -> None:
        """Wait until it is known whether Kafka is there.

        Who connects now waits in the backlog: better than a 503 because the producer is not there yet.
        """
        while not self.producers.main.contact.answered and not self._worker.stopping:
            self.producers.main.tick(self._loop.time())
            self._worker.beat()
            await asyncio.sleep(TICK / 10)

    async def serve(self) -> None:
        """Serve until told to stop, or until a producer is broken."""
        worker = self._worker
        await self._server.listen(worker.sockets)
        until = self._loop.time() + _PATIENCE
        told = False
        while not worker.stopping and not self.producers.broken:
            self.tick()
            if not told and (self.producers.main.contact.proven or self._loop.time() > until):
                told = True
                self._report()
                worker.ready()
            await asyncio.sleep(TICK)

    async def drain(self) -> None:
        """Answer what is in hand, flush the producers, report for the last time."""
        ack_timeout = self._worker.config.ingest.ack_timeout
        await self._server.drain(ack_timeout + 1.0, self.tick)
        left = await self.producers.close(self._worker.config.ingest.ack_timeout)
        self._report()
        self._worker.beat(force=True)
        if left:
            log.warning(
                "%d records were not acknowledged by Kafka before the end; nobody was told they were",
                left,
            )

    def tick(self) -> None:
        """Ten times a second: time, time-outs, beats."""
        server = self._server
        server.tick()
        for producer in self.producers:
            producer.tick(server.status.now)
        if not server.status.draining:
            self._service.admission.set_processes(server.processes)
        if self._limits is not None and not self.producers.main.away and not server.status.draining:
            config = self._worker.config
            letters = (config.kafka.dead_letter_topic, config.kafka.parked_topic)
            self._limits.tick(server.status.now, self._topics, letters, config.ingest.max_event)
        self._ticks += 1
        if self._ticks % _REPORT_EVERY == 0:
            self._report()
        if self._ticks % _LOOK_EVERY == 0:
            self._look_at_certificate()
        self._worker.beat()

    def _report(self) -> None:
        self._service.report()
        self._worker.gauge("connections", len(self._server.connections))
        status = self._server.status
        self._worker.count("failed_handshakes", status.failed_handshakes)
        status.failed_handshakes = 0

    def _show(self, shown: Certificate | None) -> None:
        """Encrypt the connections from now on with this; those that there are keep what they have."""
        self._certificate = shown
        if shown is not None and self._worker.index == 0 and shown.exposed:
            log.warning("ingest.tls_key_file: %s", shown.exposed)
        self._server.tls = None if shown is None else shown.context
        self._look_at_certificate()

    def _look_at_certificate(self) -> None:
        if self._worker.index == 0:  # one process tells it for all
            wrong = None if self._certificate is None else self._certificate.problem(time.time())
            self._worker.fault("certificate", wrong)

    def reload(self, config: Config) -> None:
        """Take a new configuration, schemas, keys and certificate; raises EtldError, with the old ones in force."""
        types = catalog.of_registered(config)
        shown = certificate.load(config.ingest)
        self._service.configure(config, types)
        self._show(shown)
        self._server.status.configure(_limits(config))
        self._topics = topics(config, types)
        self.producers.configure(config, self._topics)
        log.info("new configuration taken: %d event types", len(types))


def topics(config: Config, types: Catalog) -> list[str]:
    """Every topic that events go to; the first is the one that tells whether Kafka is there."""
    return list(dict.fromkeys([*(kind.topic for kind in types), config.kafka.dead_letter_topic]))


def _limits(config: Config) -> HttpLimits:
    ingest = config.ingest
    return HttpLimits(
        max_body=ingest.max_body,
        max_connections=ingest.max_connections,
        header_timeout=ingest.header_timeout,
        body_timeout=ingest.body_timeout,
        keep_alive=ingest.keep_alive,
    )
