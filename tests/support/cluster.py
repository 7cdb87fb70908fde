"""A broker and a database server of the tests' own, and daemons beside them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

from etld.embedded import jars
from etld.embedded.kafka import KafkaServer
from etld.embedded.postgres import PostgresServer, dsn
from etld.util.ports import LOOPBACK, free_port
from support.daemon import Daemon
from support.prepared import PreparedData

_START_SECONDS = 60


class Cluster:
    """Apache Kafka and PostgreSQL, each started when it is first asked for and stopped by close().

    Whoever shares it uses topics and consumer groups of its own, and a database of its own (`database`). A `daemon`
    shares nothing: it brings its own servers, ports and directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kafka_cache = jars.cache_dir(directory / "cache")
        self._passfile = directory / "postgres.pass"
        self._prepared = PreparedData(directory / "prepared", self.kafka_cache)
        self._numbers = itertools.count(1)
        self._ends = ExitStack()

    @cached_property
    def kafka_server(self) -> KafkaServer:
        """The broker."""
        server = KafkaServer(
            self.directory / "kafka", free_port(), self.directory / "log" / "kafka.log", self.kafka_cache
        )
        self._start(server)
        return server

    @cached_property
    def postgres_server(self) -> PostgresServer:
        """The database server."""
        server = PostgresServer(
            self.directory / "postgres", free_port(), self.directory / "log" / "postgres.log", self._passfile
        )
        self._start(server)
        server.ensure_database()
        return server

    @property
    def kafka(self) -> str:
        """The broker's address."""
        return f"{LOOPBACK}:{self.kafka_server.port}"

    def new_database(self) -> tuple[str, str]:
        """An empty database: its name, and its DSN with the file of the password."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.postgres_server.ensure_database(name)
        return name, dsn(self.postgres_server.port, self._passfile, name)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The DSN of an empty database that is dropped after the block."""
        name, address = self.new_database()
        yield address
        self.postgres_server.psql(f'DROP DATABASE "{name}" WITH (FORCE)')

    def daemon(self) -> Daemon:
        """A daemon that is not started yet: configure() it first. What is left of it at the end is stopped."""
        made = Daemon(self.directory / f"d{next(self._numbers)}", self._prepared)
        self._ends.callback(made.stop)
        return made

    def _start(self, server: KafkaServer | PostgresServer) -> None:
        try:
            server.start()
            server.wait_ready(_START_SECONDS)
        except BaseException:
            server.stop()
            raise
        self._ends.callback(server.stop)

    def close(self) -> None:
        """Stop daemons and servers, the last one first."""
        self._ends.close()
