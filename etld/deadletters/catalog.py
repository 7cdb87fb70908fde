"""The event types as the corrector sees them: what shapes, validates and encodes an event of each."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.deadletters.letters import Repair
from etld.errors import EtldError
from etld.events.validate import Invalid, Valid, Validator
from etld.events.violation import Room
from etld.schemas import shape
from etld.schemas.event_schema import EventSchema
from etld.serdes.avro import codec, wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.config import Config


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type; `schema_id` is None until its schema is registered."""

    name: str
    topic: str
    schema_id: int | None
    schema: EventSchema
    shape: shape.Shape
    validator: Validator


class Catalog:
    """Every event type by name."""

    def __init__(self, types: Mapping[str, EventType]) -> None:
        self._types = dict(types)
        self._by_topic = {kind.topic: name for name, kind in types.items()}
        self._now: float | None = None

    def at(self, moment: float | None) -> Catalog:
        """The same, with [ingest] max_age and max_ahead around a moment; None: without these bounds.

        A repair comes later than the event, and is no reason to call a timely event late.
        """
        made = copy.copy(self)
        made._now = math.nan if moment is None else moment  # nothing is before or after NaN
        return made

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._types

    def shape(self, event_type: Any) -> shape.Shape | None:
        """The shape of an event type, None when there is no such type."""
        return self._types[event_type].shape if event_type in self else None

    def of_topic(self, topic: str | None) -> str | None:
        """The event type whose events a topic holds."""
        return self._by_topic.get(topic) if topic else None

    def problems(self, event: Any) -> tuple[str, ...]:
        """Why an event is not valid for its type; nothing when it is."""
        kind = event.get("event_type") if isinstance(event, dict) else None
        if not isinstance(kind, str) or kind not in self._types:
            listed = ", ".join(sorted(self._types))
            return (f"event_type: expected one of {listed}, got {json.dumps(kind, default=str)[:80]}",)
        checked = self._checked(self._types[kind], event)
        return tuple(str(error) for error in checked.errors) if isinstance(checked, Invalid) else ()

    def repair(self, event: dict[str, Any]) -> Repair:
        """A valid event as the record that goes to its topic; raises `EtldError` when it cannot be made."""
        kind = self._types[event["event_type"]]
        checked = self._checked(kind, event)
        if isinstance(checked, Invalid):
            raise EtldError("; ".join(str(error) for error in checked.errors))
        if kind.schema_id is None:
            raise EtldError(f"the schema of event type {kind.name} is not registered yet: run `etld restart setup`")
        value = wire.pack(kind.schema_id, codec.encode(kind.schema, checked.event))
        return Repair(kind.topic, checked.event["event_id"], value)

    def _checked(self, kind: EventType, event: dict[str, Any]) -> Valid | Invalid:
        return kind.validator.validate(event, Room(self._now))


def load(config: Config) -> Catalog:
    """The catalog of a configuration, with the schemas as set-up registered them.

    A type that was not registered yet is validated by its schema file. Raises `EtldError`.
    """
    registered = _registered(config)
    types = {}
    for name, settings in config.event_types.items():
        entry = registered.get(name)
        if entry is not None:
            avro = entry["schema"]
        elif settings.schema.is_file():
            avro = json.loads(settings.schema.read_text("utf-8"))
        else:
            continue
        types[name] = EventType(
            name,
            settings.topic,
            int(entry["id"]) if entry is not None else None,
            EventSchema.parse(json.dumps(avro)),
            shape.of(avro),
            Validator(
                avro,
                event_type=name,
                event_names=tuple(settings.event_names),
                unknown_fields=settings.unknown_fields,
                zone=config.ingest.timezone,
                max_age=config.ingest.max_age,
                max_ahead=config.ingest.max_ahead,
            ),
        )
    return Catalog(types)


def _registered(config: Config) -> dict[str, Any]:
    try:
        types = json.loads(config.schemas_path.read_text("utf-8"))["event_types"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EtldError(f"{config.schemas_path} cannot be read ({error}): run `etld restart setup`") from error
    return types if isinstance(types, dict) else {}
