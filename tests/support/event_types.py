"""Event types as the catalog has them, made of a schema's JSON."""

from __future__ import annotations

import json
from typing import Any

from etld.events.validate import Validator
from etld.schemas import checks, tree
from etld.schemas.catalog import EventType
from etld.schemas.event_schema import EventSchema


def event_type(avro: dict[str, Any], name: str = "purchase", **settings: Any) -> EventType:
    """A registered type with this schema, which may be one that `EventSchema.parse` has something against."""
    schema = EventSchema(json.dumps(avro), tree.parse(avro))
    return EventType(name, f"event_{name}", schema, **{"schema_id": 7, **settings})


def validator(avro: dict[str, Any], name: str = "purchase", **settings: Any) -> Validator:
    """What checks events of such a type."""
    return checks.validator(event_type(avro, name, **settings))
