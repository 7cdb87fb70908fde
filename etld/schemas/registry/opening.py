"""The registry that a configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.config.secrets import hidden
from etld.schemas import registered, tree
from etld.schemas.registry.base import RegistryUnavailable
from etld.schemas.registry.cache import BUDGET, SchemaCache, nothing
from etld.schemas.registry.unknown_ids import SHORTEST, UnknownIds

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.config import Config
    from etld.postgres.connections import Connection
    from etld.schemas.registry.base import Registry
    from etld.worker import Addresses


def open_registry(config: Config, addresses: Addresses, connection: Connection | None = None) -> Registry:
    """The registry of a configuration: rows in PostgreSQL, or Confluent's REST API.

    The table uses `connection` when given, else one of its own for each call.
    """
    settings = config.schema_registry
    if addresses.schema_registry != "embedded":
        from etld.schemas.registry.rest import RestRegistry, Tls

        return RestRegistry(
            addresses.schema_registry,
            username=settings.username or None,
            password=config.secret("schema_registry"),
            timeout=settings.timeout,
            compatibility=settings.compatibility,
            tls=Tls(settings.ca_file, settings.cert_file, settings.key_file),
        )
    from etld.postgres import connections
    from etld.postgres.access import access
    from etld.schemas.registry.table import TableRegistry

    # A worker that asks for a schema says nothing meanwhile: both waits together must end before it counts as hung.
    patience = config.supervisor.hang_timeout * 0.4

    def connect() -> Connection:
        if addresses.postgres is None:
            raise RegistryUnavailable("the schema registry is a table, and this worker has no database")
        return connections.connect(
            addresses.postgres,
            **access(config),
            application_name="etld schemas",
            connect_timeout=min(config.postgres.connect_timeout, patience),
            statement_timeout=min(config.postgres.statement_timeout, patience),
            answer_within=patience,
        )

    return TableRegistry(connect, settings.compatibility, connection)


def renames(config: Config) -> dict[str, str]:
    """The names that fields of events had earlier, and have now."""
    known = registered.read(config.schemas_path) or {}
    return {
        alias: field.name
        for entry in known.values()
        for field in tree.read(entry.text).fields
        for alias in field.aliases
    }


def open_schemas(
    config: Config, addresses: Addresses, tick: Callable[[], None] = nothing, budget: float = BUDGET
) -> SchemaCache:
    """Schemas by id from that registry; other producers' too, with the names that fields of events had earlier.

    For `tick` and `budget` see `SchemaCache`.
    """
    if addresses.schema_registry == "embedded":
        # Asked with one query for all ids: that costs less than to remember for long.
        unknown = UnknownIds(longest=SHORTEST)
    else:
        unknown = UnknownIds(config.unknown_schemas_path, hidden(addresses.schema_registry))
    registry = open_registry(config, addresses)
    long_ids = config.schema_registry.id_bytes == 8
    return SchemaCache(registry, renames(config), long_ids=long_ids, unknown=unknown, tick=tick, budget=budget)
