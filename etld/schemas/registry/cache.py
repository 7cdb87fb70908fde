"""Schemas by id, asked for once."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from etld.schemas.event_schema import EventSchema
from etld.schemas.reference import LongId
from etld.schemas.registry.base import RegistryUnavailable, UnknownSchema
from etld.schemas.registry.unknown_ids import UnknownIds
from etld.schemas.tree import SchemaError
from etld.util.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from etld.schemas.reference import SchemaRef
    from etld.schemas.registry.base import SchemaTexts

#: Seconds in which questions to a registry are begun before the caller has its turn again.
BUDGET = 3.0
# What is said to be no schema is asked for again after so long: something else may have answered in its place.
_REFUSED_FOR = 60.0
_MOST_REFUSED = 10_000
_LONG = "if a producer writes ids of eight bytes, this one is {}, and [schema_registry] id_bytes = 8 reads it"


def nothing() -> None:
    """For a caller that need not show any signs of life."""


class SchemaCache:
    """`cache(schema_id)` is the schema. What an id means never changes, so a schema is kept for ever.

    That there is none, or none of use, is asked again after a while. `renames`: see `EventSchema.read`. `long_ids`: may
    ids have eight bytes? `tick` is called every moment while the registry is asked, and `budget` is how many seconds
    that goes on at once.
    Raises `UnknownSchema`, `SchemaError` for one that is no event's, `RegistryUnavailable`.
    """

    def __init__(
        self,
        registry: SchemaTexts,
        renames: Mapping[str, str] | None = None,
        *,
        long_ids: bool = False,
        unknown: UnknownIds | None = None,
        tick: Callable[[], None] = nothing,
        budget: float = BUDGET,
    ) -> None:
        self._registry = registry
        self._renames = renames
        self._long_ids = long_ids
        self._tick = tick
        self._budget = budget
        self._known: dict[SchemaRef, EventSchema] = {}
        #: Why it is of no use, and since when that is known.
        self._refused: dict[SchemaRef, tuple[str, float]] = {}
        self._unknown = unknown or UnknownIds()
        # What was answered since then holds until all is that was asked with it, however long that takes.
        self._since = math.inf
        self._complete = True

    def __call__(self, schema_id: SchemaRef) -> EventSchema:
        """The schema with this id, or this GUID; raises as said above."""
        if self._is_too_long(schema_id):
            raise UnknownSchema(0, _LONG.format(schema_id))
        found = self._known.get(schema_id)
        if found is not None:
            return found
        if not self._is_answered(schema_id, self._since):
            self.learn((schema_id,))
        if schema_id in self._refused:
            raise SchemaError(self._refused[schema_id][0])
        if schema_id in self._known:
            return self._known[schema_id]
        raise UnknownSchema(schema_id)

    def learn(self, ids: Iterable[SchemaRef]) -> None:
        """Ask for all of these that are not known; `RegistryUnavailable`: not all are answered yet, call again.

        What was answered is not asked again then.
        """
        wanted = {one for one in ids if not self._is_too_long(one)}
        if self._known.keys() >= wanted:
            return
        if self._complete:
            self._since = self._unknown.now()
        self._complete = False
        left = self._ask(wanted, self._budget, self._since)
        if left:
            raise RegistryUnavailable(
                f"the schema registry is slow: {len(wanted) - left} of {len(wanted)} schema ids are looked up by now"
            )
        self._complete = True

    def found(self, ids: Collection[int], budget: float) -> list[int]:
        """Those of the ids that the registry has, as far as it can be asked in so many seconds."""
        self._ask(ids, budget, math.inf)
        return [one for one in ids if one in self._known or one in self._refused]

    def _ask(self, ids: Collection[SchemaRef], budget: float, since: float) -> int:
        """Ask for what is not answered; how many are not answered still."""
        self._unknown.read()
        asked = [one for one in ids if not self._is_answered(one, since)]
        if not asked:
            return 0
        answered = 0
        try:
            for schema_id, text in self._registry.look_up(asked, time.monotonic() + budget, self._tick):
                self._tick()
                self._take(schema_id, text)
                answered += 1
        finally:
            self._unknown.write()
        return len(asked) - answered

    def _is_too_long(self, schema_id: SchemaRef) -> bool:
        return isinstance(schema_id, LongId) and not self._long_ids

    def _is_answered(self, schema_id: SchemaRef, since: float) -> bool:
        if schema_id in self._known or self._unknown.holds(schema_id):
            return True
        refused = self._refused.get(schema_id)
        if refused is not None and (refused[1] >= since or self._unknown.now() < refused[1] + _REFUSED_FOR):
            return True
        return self._unknown.said_since(schema_id, since)

    def _take(self, schema_id: SchemaRef, text: str | SchemaError | None) -> None:
        self._refused.pop(schema_id, None)
        if text is None:
            self._unknown.note(schema_id)
            return
        self._unknown.forget(schema_id)
        if isinstance(text, SchemaError):
            self._refuse(schema_id, text)
            return
        try:
            self._known[schema_id] = EventSchema.read(text, self._renames)
        except Exception as error:
            # One that brings a mistake of ours to light is of no use either, and no reason to stop.
            self._refuse(schema_id, error)

    def _refuse(self, schema_id: SchemaRef, error: Exception) -> None:
        why = str(error) if isinstance(error, SchemaError) else f"{type(error).__name__}: {printable(error, 200)}"
        if len(self._refused) >= _MOST_REFUSED:
            self._refused.clear()
        self._refused[schema_id] = (why, self._unknown.now())
