"""The port, what can go wrong behind it, and the choice of an implementation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from etld.errors import EtldError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.config import Config
    from etld.postgres.connections import Connection
    from etld.worker import Addresses


class Incompatible(EtldError):
    """A schema may not follow the versions that are there; `reasons` name the fields."""

    def __init__(self, subject: str, reasons: Sequence[str]) -> None:
        self.subject = subject
        self.reasons = tuple(reasons)
        super().__init__(f"the schema of {subject} may not be changed like this: {'; '.join(self.reasons)}")


# A ConnectionError, so that whoever retries lost connections retries this.
class RegistryUnavailable(EtldError, ConnectionError):
    """The registry does not answer, or not in its protocol. Nothing is known about the schema."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a subject's schema."""

    subject: str
    version: int
    id: int
    schema: str


class Registry(Protocol):
    """Keeps schemas by subject and id. Every call raises `RegistryUnavailable` when it gets no answer."""

    def register(self, subject: str, schema: str) -> int:
        """The id of `schema` under `subject`, a new version if it is new; raises `Incompatible`."""

    def by_id(self, schema_id: int) -> str:
        """The schema with that id; raises `etld.serdes.avro.UnknownSchema`."""

    def latest(self, subject: str) -> Version | None:
        """The newest version, None for a subject without one."""

    def versions(self, subject: str) -> list[Version]:
        """Every version, oldest first; [] for an unknown subject."""

    def check(self, subject: str, schema: str) -> list[str]:
        """Why `register` would refuse; [] when it would not."""


def open_registry(config: Config, addresses: Addresses, connection: Connection | None = None) -> Registry:
    """The registry of a configuration: rows in PostgreSQL, or Confluent's REST API.

    The table uses `connection` when given, else one of its own for each call.
    """
    settings = config.schema_registry
    if addresses.schema_registry != "embedded":
        from etld.schemas.registry.rest import RestRegistry

        return RestRegistry(
            addresses.schema_registry,
            username=settings.username or None,
            password=config.secret("schema_registry"),
            timeout=settings.timeout,
            compatibility=settings.compatibility,
        )
    from etld.postgres import connections
    from etld.schemas.registry.table import TableRegistry

    # A worker that asks for a schema says nothing meanwhile: both waits together must end before it counts as hung.
    patience = config.supervisor.hang_timeout * 0.4

    def connect() -> Connection:
        if addresses.postgres is None:
            raise RegistryUnavailable("the schema registry is a table, and this worker has no database")
        return connections.connect(
            addresses.postgres,
            password=config.secret("postgres"),
            application_name="etld schemas",
            connect_timeout=min(config.postgres.connect_timeout, patience),
            statement_timeout=min(config.postgres.statement_timeout, patience),
            answer_within=patience,
        )

    return TableRegistry(connect, settings.compatibility, connection)
