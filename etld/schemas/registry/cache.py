"""Schemas by id, asked for once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from etld.schemas.event_schema import EventSchema
from etld.schemas.registry.base import UnknownSchema
from etld.schemas.tree import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.schemas.registry.base import Registry

# An id nobody knows is asked for again after this long: a replica of a registry may be late.
_UNKNOWN_FOR = 10.0
_MOST_UNKNOWN = 10_000


class SchemaCache:
    """`cache(schema_id)` is the schema. What an id means never changes, so it is kept for ever.

    `renames`: see `EventSchema.read`.
    Raises `UnknownSchema`, `SchemaError` for one that is no event's, `RegistryUnavailable`.
    """

    def __init__(self, registry: Registry, renames: Mapping[str, str] | None = None) -> None:
        self._registry = registry
        self._renames = renames
        self._known: dict[int, EventSchema | SchemaError] = {}
        self._unknown: dict[int, float] = {}

    def __call__(self, schema_id: int) -> EventSchema:
        """The schema with this id; raises as said above."""
        found = self._known.get(schema_id)
        if found is None:
            found = self._known[schema_id] = self._ask(schema_id)
        if isinstance(found, SchemaError):
            raise found
        return found

    def _ask(self, schema_id: int) -> EventSchema | SchemaError:
        now = time.monotonic()
        if now < self._unknown.get(schema_id, 0.0):
            raise UnknownSchema(schema_id)
        try:
            text = self._registry.by_id(schema_id)
        except UnknownSchema:
            if len(self._unknown) >= _MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[schema_id] = now + _UNKNOWN_FOR
            raise
        try:
            return EventSchema.read(text, self._renames)
        except SchemaError as error:
            return error
