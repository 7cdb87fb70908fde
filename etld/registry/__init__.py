"""Schema ids: one port, two registries behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.registry.port import (
    Incompatible,
    InvalidSchema,
    Registry,
    RegistryUnavailable,
    UnknownSchemaId,
    Version,
)

if TYPE_CHECKING:
    from etld.config import Config
    from etld.store.db import Connection
    from etld.worker import Addresses

__all__ = [
    "Incompatible",
    "InvalidSchema",
    "Registry",
    "RegistryUnavailable",
    "UnknownSchemaId",
    "Version",
    "open_registry",
]


def open_registry(config: Config, addresses: Addresses, connection: Connection | None = None) -> Registry:
    """The registry of the configuration; connects when it is first asked.

    `connection` is used by the embedded registry while it is open, in place of one of its own.
    """
    settings = config.schema_registry
    if settings.url != "embedded":
        from etld.registry.confluent import ConfluentRegistry

        return ConfluentRegistry(
            settings.url,
            compatibility=settings.compatibility,
            timeout=settings.timeout,
            username=settings.username,
            password=config.secret("schema_registry"),
        )
    from etld.registry.table import TableRegistry
    from etld.store import db

    def connect() -> Connection:
        if connection is not None and not connection.closed:
            return connection
        assert addresses.postgres is not None
        return db.connect(
            addresses.postgres,
            application_name="etld registry",
            password=config.secret("postgres"),
            connect_timeout=config.postgres.connect_timeout,
            statement_timeout=settings.timeout,
        )

    return TableRegistry(connect, settings.compatibility)
