"""Schemas by id, each fetched and parsed once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from etld.avro import EventSchema, SchemaError, UnknownSchema
from etld.registry.port import UnknownSchemaId

if TYPE_CHECKING:
    from etld.registry.port import Registry

_ASK_AGAIN_AFTER = 10.0


class SchemaCache:
    """Call it with an id: the parsed schema; raises `etld.avro.UnknownSchema`, `RegistryUnavailable`.

    An id is never given to another schema, so a known one is kept for ever; an unknown one is asked for
    again after ten seconds.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[int, EventSchema] = {}
        self._unknown: dict[int, float] = {}

    def __call__(self, schema_id: int) -> EventSchema:
        schema = self._known.get(schema_id)
        if schema is not None:
            return schema
        if time.monotonic() < self._unknown.get(schema_id, 0.0):
            raise UnknownSchema(schema_id)
        try:
            schema = EventSchema.parse(self._registry.by_id(schema_id))
        except (UnknownSchemaId, SchemaError) as error:
            if len(self._unknown) > 10_000:
                self._unknown.clear()
            self._unknown[schema_id] = time.monotonic() + _ASK_AGAIN_AFTER
            raise UnknownSchema(schema_id) from error
        self._known[schema_id] = schema
        return schema
