"""The schemas of a configuration: read, checked, registered, written down for ingest."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from etld.deadletters.letter_headers import DEAD_LETTER_TOPIC, PARKED_TOPIC
from etld.errors import EtldError
from etld.schemas.event_schema import EventSchema, SchemaError
from etld.schemas.registry import Incompatible
from etld.util.files import write_atomically

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


def write(
    config: Config, cluster_id: str, loaded: Mapping[str, tuple[str, EventSchema]], ids: Mapping[str, int]
) -> None:
    """Write `schemas.json` so that a reader sees the old file or the new one; raises `EtldError`."""
    document = {
        "cluster_id": cluster_id,
        "event_types": {
            name: {
                "id": ids[name],
                "topic": config.event_types[name].topic,
                "subject": subject_name,
                "schema": schema.raw,
            }
            for name, (subject_name, schema) in loaded.items()
        },
        "dead_letter_queue": {"topic": DEAD_LETTER_TOPIC},
        "parked_events": {"topic": PARKED_TOPIC},
    }
    path = config.schemas_path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(document, indent=2).encode())
    except OSError as error:
        raise EtldError(f"cannot write {path}: {error.strerror or error}") from error
