"""Where Kafka and PostgreSQL are, for commands that look at them themselves."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from etld.errors import EtldError, Unreachable
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from etld.config import Config
    from etld.postgres.connections import Connection
    from etld.postgres.pool import Pool
    from etld.postgres.session_settings import ConnectionOptions
    from etld.worker import Addresses

EMBEDDED = "embedded"


@dataclass(frozen=True)
class Target:
    """A configuration, and the addresses that are in force for it."""

    config: Config
    addresses: Addresses

    def connect(self, what: str = "cli", within: float | None = None) -> Connection:
        """A connection to PostgreSQL, with `what` in its name there; raises `Unreachable` in words.

        `within`: seconds for the connection, and for each of its statements.
        """
        from etld.postgres import connections
        from etld.postgres.errors import OperationalError

        try:
            return connections.connect(self.postgres, **self._options(what, within))
        except OperationalError as error:
            raise unreachable(error) from error

    @contextmanager
    def pool(self, what: str = "cli") -> Iterator[Pool]:
        """Up to four connections to PostgreSQL; raises `Unreachable` in words, also later where one breaks."""
        from etld.postgres.errors import OperationalError
        from etld.postgres.pool import Pool

        try:
            with Pool(self.postgres, **self._options(what)) as pool:
                yield pool
        except OperationalError as error:
            raise unreachable(error) from error

    @property
    def postgres(self) -> str:
        """The DSN of the database, without a password."""
        assert self.addresses.postgres is not None
        return self.addresses.postgres

    def _options(self, what: str, within: float | None = None) -> ConnectionOptions:
        from etld.postgres.access import access

        found = access(self.config)
        return {
            "application_name": f"etld {what}",
            "password": found["password"],
            "pooled": found["pooled"],
            "connect_timeout": self.config.postgres.connect_timeout if within is None else within,
            "statement_timeout": within or 0.0,
        }

    def kafka_settings(self) -> dict[str, Any]:
        """Settings for a Kafka client of this cluster."""
        from etld.kafka.settings import client_settings

        return client_settings(self.config, self.addresses)


def unreachable(error: Exception) -> Unreachable:
    """Why there is no way to PostgreSQL, in words."""
    return Unreachable(f"cannot reach PostgreSQL: {one_line(error)}", code="ETLD-P001")


def find(config_path: Path | None) -> Target:
    """The addresses that the running daemon tells; without a daemon those of the configuration.

    Raises `Unreachable` when a part is embedded and the daemon does not run.
    """
    from etld.config.secrets import split
    from etld.control.client import ask
    from etld.postgres import dsn
    from etld.supervisor.config_checks import load
    from etld.worker import Addresses

    config = load(config_path)
    if config.postgres.dsn == EMBEDDED:
        dsn.forget_environment(os.environ)
    try:
        addresses = Addresses.from_dict(ask(config_path, "status")["addresses"])
        if addresses.schema_registry != EMBEDDED:  # shown without a password that the configuration may have in it
            addresses = replace(addresses, schema_registry=config.schema_registry.url)
        return Target(config, addresses)
    except Unreachable:
        if EMBEDDED in (config.kafka.bootstrap_servers, config.postgres.dsn):
            raise
    except EtldError:
        raise
    addresses = Addresses(
        http=config.ingest.url(),
        kafka=config.kafka.bootstrap_servers,
        postgres=split(config.postgres.dsn)[0],
        schema_registry=config.schema_registry.url,
        control=str(config.socket_path),
    )
    return Target(config, addresses)
