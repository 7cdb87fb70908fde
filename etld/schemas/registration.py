"""The schemas of a configuration: read, checked, registered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from etld.errors import EtldError
from etld.schemas.catalog import Catalog, event_type
from etld.schemas.event_schema import EventSchema, read_file
from etld.schemas.registered import RegisteredSchema
from etld.schemas.registry import Incompatible
from etld.schemas.tree import SchemaError

if TYPE_CHECKING:
    from collections.abc import Collection

    from etld.config import Config
    from etld.schemas.catalog import EventType
    from etld.schemas.registry import Registry

log = logging.getLogger("etld.setup")


class SchemasRefused(EtldError):
    """Schemas that cannot be used; the message has a line for each reason."""

    code = "ETLD-R003"


def subject(topic: str) -> str:
    """The subject of a topic's values."""
    return f"{topic}-value"


def load(config: Config) -> Catalog:
    """The event types with the schemas of their files.

    Raises `SchemasRefused` with every file that is no schema of an event.
    """
    types = {}
    refused = []
    for name, settings in config.event_types.items():
        try:
            types[name] = event_type(config, name, EventSchema.parse(read_file(settings.schema)))
        except SchemaError as error:
            refused.append(f"{settings.schema}: {error}")
    if refused:
        raise SchemasRefused("\n".join(refused))
    return Catalog(types)


def register(registry: Registry, kinds: Collection[EventType]) -> dict[str, RegisteredSchema]:
    """The schemas with their ids, by event type. All are checked before the first is registered.

    Raises `SchemasRefused`.
    """
    refused = []
    for kind in kinds:
        reasons = registry.check(subject(kind.topic), kind.schema.text)
        refused += [str(Incompatible(subject(kind.topic), reasons))] if reasons else []
    if refused:
        raise SchemasRefused("\n".join(refused))
    return {kind.name: _register(registry, kind) for kind in kinds}


def _register(registry: Registry, kind: EventType) -> RegisteredSchema:
    name = subject(kind.topic)
    try:
        schema_id = registry.register(name, kind.schema.text)
    except Incompatible as error:
        raise SchemasRefused(str(error)) from error
    log.info("schema %s has id %d", name, schema_id)
    return RegisteredSchema(schema_id, kind.topic, name, kind.schema.text)
