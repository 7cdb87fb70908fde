"""The event types as ingest sees them: what validates, encodes and routes an event of each."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.deadletters.letter_headers import DEAD_LETTER_TOPIC
from etld.errors import EtldError
from etld.events.validate import Validator
from etld.ingest.fast import Fast, compile_event
from etld.schemas.event_schema import EventSchema
from etld.serdes.avro import codec, wire

if TYPE_CHECKING:
    from pathlib import Path

    from etld.config import Config


class NotSetUp(EtldError):
    """The file with the registered schemas is missing or broken: the set-up step has to run first."""


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type: `sample` maps an event name to the share of its events that is kept."""

    name: str
    topic: str
    header: bytes
    schema: EventSchema
    validator: Validator
    accept: bool
    sample: Mapping[str, float]
    avro: Mapping[str, Any]
    event_names: tuple[str, ...]
    fast: Fast | None

    def keeps(self, event_name: str, event_id: str) -> bool:
        """Is this event in the sample? The same event id always decides the same."""
        part = self.sample.get(event_name, 1.0)
        return part >= 1.0 or zlib.crc32(event_id.encode()) < part * 2**32

    def value(self, event: dict[str, Any]) -> bytes:
        """The event as the value of a Kafka record."""
        return self.header + codec.encode(self.schema, event)


class Catalog:
    """Every event type by name, and which one lists an event name."""

    def __init__(self, types: Mapping[str, EventType], dead_letters: str = DEAD_LETTER_TOPIC) -> None:
        self.types = dict(types)
        self.dead_letters = dead_letters
        self.expected = "one of " + ", ".join(sorted(types)) if types else "an event type, but none is configured"
        self._by_name: dict[str, str | None] = {}
        for event_type in types.values():
            for name in event_type.event_names:
                self._by_name[name] = None if name in self._by_name else event_type.name

    def get(self, name: object) -> EventType | None:
        """The event type of that name, whatever came as a name."""
        return self.types.get(name) if type(name) is str else None

    def of_event(self, event_name: object) -> str | None:
        """The only event type that lists this event name, if there is exactly one."""
        return self._by_name.get(event_name) if type(event_name) is str else None

    def __iter__(self) -> Iterator[EventType]:
        return iter(self.types.values())


def load(config: Config) -> Catalog:
    """The catalog of a configuration and the schemas registered for it; raises `NotSetUp`."""
    registered = _registered(config.schemas_path)
    types = {}
    for name, settings in config.event_types.items():
        entry = registered.get(name)
        if entry is None:
            raise NotSetUp(
                f"event type {name} is not in {config.schemas_path}: its schema was not registered."
                " Run `etld reload`, or `etld restart setup`."
            )
        avro = entry["schema"]
        schema = EventSchema.parse(json.dumps(avro))
        names = tuple(settings.event_names)
        types[name] = EventType(
            name,
            str(entry.get("topic") or settings.topic),
            wire.header(int(entry["id"])),
            schema,
            Validator(
                avro,
                event_type=name,
                event_names=names,
                unknown_fields=settings.unknown_fields,
                zone=config.ingest.timezone,
                max_age=config.ingest.max_age,
                max_ahead=config.ingest.max_ahead,
            ),
            settings.accept,
            dict(settings.sample),
            avro,
            names,
            compile_event(avro, name, names, config.ingest.timezone, config.ingest.max_age, config.ingest.max_ahead),
        )
    return Catalog(types)


def _registered(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text("utf-8"))
        types = document["event_types"]
    except FileNotFoundError:
        raise NotSetUp(f"{path} is missing: the set-up step, which registers the schemas, has not run") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotSetUp(f"{path} cannot be read ({error}): run `etld restart setup`") from error
    if not isinstance(types, dict):
        raise NotSetUp(f"{path} has no event types: run `etld restart setup`")
    return types
