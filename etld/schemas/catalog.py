"""The one catalog of event types: what the configuration says of each, with the schema that is registered for it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from etld.errors import EtldError
from etld.schemas import registered
from etld.schemas.event_schema import EventSchema, read_file
from etld.schemas.tree import SchemaError

if TYPE_CHECKING:
    from etld.config import Config
    from etld.schemas.registered import RegisteredSchema


class NotSetUp(EtldError):
    """The file with the registered schemas is missing or broken: the set-up step has to run first."""

    code = "ETLD-R006"


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type.

    `schema_id` is None until its schema is registered. `event_names` () means any. `accept`: may clients send it?
    `sample` maps an event name to the share of its events that is kept. `zone` is for times that name none;
    `max_age` and `max_ahead` are seconds around now, 0 is no limit.
    """

    name: str
    topic: str
    schema: EventSchema
    schema_id: int | None = None
    event_names: tuple[str, ...] = ()
    unknown_fields: Literal["reject", "drop"] = "reject"
    accept: bool = True
    sample: Mapping[str, float] = field(default_factory=dict)
    zone: str = "UTC"
    max_age: float = 0
    max_ahead: float = 0

    def keeps(self, event_name: str, event_id: str) -> bool:
        """Is this event in the sample? The same event id always decides the same."""
        return keeps(self.sample.get(event_name, 1.0), event_id)


def keeps(share: float, event_id: str) -> bool:
    """Is the event in a sample that keeps this share (0 to 1)?"""
    return share >= 1.0 or zlib.crc32(event_id.encode()) < share * 2**32


class Catalog:
    """Every event type: by its name, by its topic, by an event name that it alone lists.

    `expected` says what an event_type has to be, for whoever sent another.
    """

    def __init__(self, types: Mapping[str, EventType]) -> None:
        self.types = dict(types)
        self.expected = "one of " + ", ".join(sorted(types)) if types else "an event type, but none is configured"
        self._by_topic = {kind.topic: kind for kind in types.values()}
        self._by_event_name: dict[str, EventType | None] = {}
        for kind in types.values():
            for name in kind.event_names:
                self._by_event_name[name] = None if name in self._by_event_name else kind

    def get(self, name: object) -> EventType | None:
        """The event type of that name, whatever came as a name."""
        return self.types.get(name) if type(name) is str else None

    def of_topic(self, topic: str | None) -> EventType | None:
        """The event type whose events a topic holds."""
        return self._by_topic.get(topic) if topic else None

    def of_event(self, event_name: object) -> EventType | None:
        """The only event type that lists this event name, if there is exactly one."""
        return self._by_event_name.get(event_name) if type(event_name) is str else None

    def __iter__(self) -> Iterator[EventType]:
        return iter(self.types.values())

    def __len__(self) -> int:
        return len(self.types)


def of_registered(config: Config) -> Catalog:
    """The event types of a configuration with the schemas registered for them; raises `NotSetUp`."""
    known = registered.read(config.schemas_path)
    if known is None:
        raise NotSetUp(f"{config.schemas_path} is missing: the set-up step, which registers the schemas, has not run")
    missing = [name for name in config.event_types if name not in known]
    if missing:
        raise NotSetUp(
            f"event type {missing[0]} is not in {config.schemas_path}: its schema was not registered."
            " Run `etld reload`, or `etld restart setup`."
        )
    return Catalog({name: _registered_type(config, name, known[name]) for name in config.event_types})


def of_registered_and_files(config: Config) -> Catalog:
    """As `of_registered`; a type that is not registered yet has the schema of its file, or is left out without one.

    Raises `EtldError` for a schema that cannot be used.
    """
    known = registered.read(config.schemas_path) or {}
    types = {}
    for name, settings in config.event_types.items():
        if name in known:
            types[name] = _registered_type(config, name, known[name])
        elif settings.schema.is_file():
            types[name] = of_file(config, name)
    return Catalog(types)


def of_file(config: Config, name: str) -> EventType:
    """An event type with the schema of its file; raises `EtldError`."""
    path = config.event_types[name].schema
    try:
        schema = EventSchema.parse(read_file(path))
    except SchemaError as error:
        raise EtldError(
            f"the schema of event type {name}, {path}, cannot be read: {error}", code="ETLD-R003"
        ) from error
    return event_type(config, name, schema)


def _registered_type(config: Config, name: str, entry: RegisteredSchema) -> EventType:
    try:
        schema = EventSchema.parse(entry.text)
    except SchemaError as error:
        raise NotSetUp(
            f"{config.schemas_path}: the schema of event type {name}: {error}. Run `etld restart setup`."
        ) from error
    kind = event_type(config, name, schema)
    return replace(kind, topic=entry.topic or kind.topic, schema_id=entry.schema_id)


def event_type(config: Config, name: str, schema: EventSchema) -> EventType:
    """An event type of the configuration with a schema that is not registered yet."""
    settings = config.event_types[name]
    return EventType(
        name,
        settings.topic,
        schema,
        event_names=tuple(settings.event_names),
        unknown_fields=settings.unknown_fields,
        accept=settings.accept,
        sample=dict(settings.sample),
        zone=config.ingest.timezone,
        max_age=config.ingest.max_age,
        max_ahead=config.ingest.max_ahead,
    )
