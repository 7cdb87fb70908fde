"""The schemas of a configuration: read, checked, registered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from etld.errors import EtldError
from etld.schemas.event_schema import EventSchema
from etld.schemas.registered import RegisteredSchema
from etld.schemas.registry import Incompatible
from etld.schemas.tree import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.config import Config
    from etld.schemas.registry import Registry

log = logging.getLogger("etld.setup")


class SchemasRefused(EtldError):
    """Schemas that cannot be used; the message has a line for each reason."""


def subject(topic: str) -> str:
    """The subject of a topic's values."""
    return f"{topic}-value"


def load(config: Config) -> dict[str, tuple[str, EventSchema]]:
    """Subject and schema by event type; raises `SchemasRefused` with every file that is no schema of an event."""
    loaded: dict[str, tuple[str, EventSchema]] = {}
    refused = []
    for name, kind in config.event_types.items():
        try:
            loaded[name] = (subject(kind.topic), EventSchema.parse(kind.schema.read_text("utf-8")))
        except OSError as error:
            refused.append(f"{kind.schema}: {error.strerror or error}")
        except UnicodeDecodeError:
            refused.append(f"{kind.schema}: not UTF-8")
        except SchemaError as error:
            refused.append(f"{kind.schema}: {error}")
    if refused:
        raise SchemasRefused("\n".join(refused))
    return loaded


def register(registry: Registry, loaded: Mapping[str, tuple[str, EventSchema]]) -> dict[str, int]:
    """Schema ids by event type. All are checked before the first is registered; raises `SchemasRefused`."""
    refused = []
    for subject_name, schema in loaded.values():
        reasons = registry.check(subject_name, schema.text)
        refused += [str(Incompatible(subject_name, reasons))] if reasons else []
    if refused:
        raise SchemasRefused("\n".join(refused))
    ids = {}
    for name, (subject_name, schema) in loaded.items():
        try:
            ids[name] = registry.register(subject_name, schema.text)
        except Incompatible as error:
            raise SchemasRefused(str(error)) from error
        log.info("schema %s has id %d", subject_name, ids[name])
    return ids


def registered(
    config: Config, loaded: Mapping[str, tuple[str, EventSchema]], ids: Mapping[str, int]
) -> dict[str, RegisteredSchema]:
    """What the file of registered schemas is to hold of each event type."""
    return {
        name: RegisteredSchema(ids[name], config.event_types[name].topic, subject_name, schema.text)
        for name, (subject_name, schema) in loaded.items()
    }
