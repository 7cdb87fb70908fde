"""The data of the embedded servers as their first start makes it, made once for all daemons of a run."""

from __future__ import annotations

import base64
import re
import shutil
import uuid
from functools import cached_property
from pathlib import Path

from etld.embedded import choice
from etld.embedded.kafka import KafkaServer
from etld.embedded.postgres import PostgresServer


class PreparedData:
    """Each daemon gets a copy: initdb and the formatting of Kafka's storage take two seconds of processor time.

    The first start itself has its tests in tests/integration/embedded/test_workers.py and tests/acceptance.
    """

    def __init__(self, directory: Path, kafka_cache: Path) -> None:
        self._directory = directory
        self._kafka_cache = kafka_cache

    def copy(self, state_dir: Path, *, kafka: bool, postgres: bool) -> None:
        """Into the state directory of a daemon that has not been started yet."""
        state_dir.mkdir(parents=True, exist_ok=True)
        if postgres:
            shutil.copytree(self._postgres, state_dir / "postgres")
            shutil.copy2(self._passfile, state_dir)
        if kafka and not choice.missing(self._kafka_cache):
            shutil.copytree(self._kafka, state_dir / "kafka")
            # A cluster of its own.
            about = state_dir / "kafka" / "data" / "meta.properties"
            name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            about.write_text(re.sub(r"(?m)^cluster\.id=.*$", f"cluster.id={name}", about.read_text()))

    @property
    def _passfile(self) -> Path:
        return self._directory / "postgres.pass"

    @cached_property
    def _postgres(self) -> Path:
        made = self._directory / "postgres"
        PostgresServer(made, 1, self._directory / "log", self._passfile).prepare(lambda _: None)
        return made

    @cached_property
    def _kafka(self) -> Path:
        made = self._directory / "kafka"
        KafkaServer(made, 1, self._directory / "log", self._kafka_cache).prepare(lambda _: None)
        return made
