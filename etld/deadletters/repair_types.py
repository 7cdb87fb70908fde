"""What repairs ask of the event types: the shape of an event, what is wrong with it, its record in Kafka."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.deadletters.letters import Repair
from etld.errors import EtldError
from etld.events.validate import Invalid, Valid, Validator
from etld.events.violation import ViolationBudget
from etld.schemas import shape
from etld.schemas.checks import validator
from etld.serdes import formats
from etld.util.text import shortened

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from etld.schemas.catalog import Catalog, EventType
    from etld.serdes.base import Encode


@dataclass(frozen=True, slots=True)
class _Compiled:
    """What is made of one event type; `encode` is None until its schema is registered."""

    kind: EventType
    shape: shape.Shape
    validator: Validator
    encode: Encode | None


class RepairTypes:
    """The event types of a catalog, as correction rules and repairs need them."""

    def __init__(
        self, catalog: Catalog, compiled: Mapping[str, _Compiled] | None = None, now: float | None = None
    ) -> None:
        self._catalog = catalog
        self._compiled = {kind.name: _compiled(kind) for kind in catalog} if compiled is None else compiled
        self._now = now

    def at(self, moment: float | None) -> RepairTypes:
        """The same, with [ingest] max_age and max_ahead around a moment; None: without these bounds.

        A repair comes later than the event, and is no reason to call a timely event late.
        """
        # Nothing is before or after NaN.
        return type(self)(self._catalog, self._compiled, math.nan if moment is None else moment)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._compiled

    def shape(self, event_type: Any) -> shape.Shape | None:
        """The shape of an event type, None when there is no such type."""
        return self._compiled[event_type].shape if event_type in self else None

    def of_topic(self, topic: str | None) -> str | None:
        """The event type whose events a topic holds."""
        kind = self._catalog.of_topic(topic)
        return kind.name if kind is not None else None

    def problems(self, event: Any) -> tuple[str, ...]:
        """Why an event is not valid for its type; nothing when it is."""
        name = event.get("event_type") if isinstance(event, dict) else None
        if not isinstance(name, str) or name not in self._compiled:
            got = shortened(json.dumps(name, default=str), 80)
            return (f"event_type: expected {self._catalog.expected}, got {got}",)
        checked = self._checked(self._compiled[name], event)
        return tuple(str(error) for error in checked.errors) if isinstance(checked, Invalid) else ()

    def stored(self, event: dict[str, Any]) -> Hashable:
        """What is stored of a valid event: equal for two that differ in nothing that is."""
        compiled = self._compiled[event["event_type"]]
        checked = self._checked(compiled, event)
        kept = event if isinstance(checked, Invalid) else checked.event
        return json.dumps(kept, sort_keys=True, default=str) if compiled.encode is None else compiled.encode(kept)

    def repair(self, event: dict[str, Any]) -> Repair:
        """A valid event as the record that goes to its topic; raises `EtldError` when it cannot be made."""
        compiled = self._compiled[event["event_type"]]
        checked = self._checked(compiled, event)
        if isinstance(checked, Invalid):
            raise EtldError("; ".join(str(error) for error in checked.errors), code="ETLD-D018")
        kind = compiled.kind
        if compiled.encode is None:
            raise EtldError(
                f"the schema of event type {kind.name} is not registered yet: run `etld restart setup`",
                code="ETLD-R006",
            )
        return Repair(kind.topic, checked.event["event_id"], compiled.encode(checked.event))

    def _checked(self, compiled: _Compiled, event: dict[str, Any]) -> Valid | Invalid:
        return compiled.validator.validate(event, ViolationBudget(self._now))


def _compiled(kind: EventType) -> _Compiled:
    encode = None if kind.schema_id is None else formats.written().encoder(kind.schema, kind.schema_id)
    return _Compiled(kind, shape.of(kind.schema.tree), validator(kind), encode)
