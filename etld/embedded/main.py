"""The workers embedded-kafka and embedded-postgres: each keeps one server running."""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Callable
from pathlib import Path

from etld.embedded import choice, process, tansu
from etld.embedded.kafka import KafkaServer
from etld.embedded.postgres import PostgresServer
from etld.embedded.server import EmbeddedServer
from etld.errors import PortTaken
from etld.util.ports import LOOPBACK
from etld.worker import Worker

_READY_SECONDS = 90.0
_PROBE_SECONDS = 1.0
_LOOK_SECONDS = 0.25

log = logging.getLogger("etld.embedded")


class _StoppedEarly(Exception):
    """The supervisor wants the worker to end while its server is still starting."""


def run_postgres(worker: Worker) -> None:
    """Entry of the kind embedded-postgres."""
    config = worker.config
    assert worker.addresses.postgres is not None
    server = PostgresServer(
        config.state_dir / "postgres",
        _port(worker.addresses.postgres.partition("?")[0].rpartition("/")[0]),
        config.log_dir / "postgres.log",
        config.state_dir / "postgres.pass",
    )
    _keep(worker, server, server.ensure_database)


def run_kafka(worker: Worker) -> None:
    """Entry of the kind embedded-kafka."""
    config = worker.config
    port, output = _port(worker.addresses.kafka), config.log_dir / "kafka.log"
    cache = choice.cache_dir(config)
    passfile = worker.addresses.kafka_passfile
    # Clients that were told of a password would not get into Tansu, which asks for none.
    if passfile is not None or choice.choose(config) == "kafka":
        if lacks := choice.missing(cache):
            worker.fatal(f"Apache Kafka cannot run: {lacks} was not found", "ETLD-K014")
        password = None if passfile is None else config.read_secret("the embedded broker's password", Path(passfile))
        _keep(worker, KafkaServer(config.state_dir / "kafka", port, output, cache, password))
        return
    log.warning(choice.notice(config))
    _keep(worker, tansu.TansuServer(port, output))


def _keep(worker: Worker, server: EmbeddedServer, once_up: Callable[[], None] = lambda: None) -> None:
    """Start the server, be ready when it is, beat while it answers, stop it at the end."""
    said, at = "", 0.0

    def tick(now: str) -> None:
        nonlocal said, at
        if now != said or time.monotonic() - at > 1.0:
            said, at = now, time.monotonic()
            worker.progress(now)
        worker.receive()
        if worker.stopping:
            raise _StoppedEarly

    try:
        try:
            server.start(tick)
        except PortTaken as error:
            worker.fatal(str(error), error.code)
        server.wait_ready(_READY_SECONDS, tick)
        once_up()
        log.info("%s is ready on %s:%d", server.what, LOOPBACK, server.port)
        worker.ready()
        _watch(worker, server)
    except _StoppedEarly:
        log.info("%s is stopped before it was ready", server.what)
    finally:
        server.stop()


def _watch(worker: Worker, server: EmbeddedServer) -> None:
    """Return when the worker is to stop; raise when the server ends.

    Only an answer of the server beats: a hung one is killed by the supervisor with this worker.
    """
    probed = time.monotonic()
    while not worker.stopping:
        server.check()
        if time.monotonic() - probed >= _PROBE_SECONDS:
            probed = time.monotonic()
            if server.probe():
                worker.beat()
            process.trim(server.log)
        select.select([worker], [], [], _LOOK_SECONDS)  # not wait(): that beats
        worker.receive()


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
