"""Does an event fit its schema, and what exactly does not? On ingest's hot path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.events.ids import new_event_id
from etld.events.violation import Violation, ViolationBudget, Violations

if TYPE_CHECKING:
    from etld.events.checks import Check


@dataclass(slots=True)
class Valid:
    """The event as Avro writes it: fields in order, defaults filled in, triggered_at in microseconds."""

    event: dict[str, Any]


@dataclass(slots=True)
class Invalid:
    """Everything that is wrong with the event."""

    errors: tuple[Violation, ...]


class Validator:
    """Checks events of one type; `etld.schemas.checks.validator` makes it from the type's schema.

    Only lossless coercion is silent: integer to floating point, integer to string.
    """

    def __init__(self, check: Check) -> None:
        self._check = check

    def validate(self, obj: Any, budget: ViolationBudget | None = None) -> Valid | Invalid:
        """`obj` (parsed JSON) as an event ready for Avro, or every violation.

        An event without an event_id gets a new one. `budget` is shared by the events of one request.
        """
        errors = Violations(budget or ViolationBudget())
        event = self._check(obj, errors)
        if errors:
            return Invalid(tuple(errors))
        if event["event_id"] is None:
            event["event_id"] = new_event_id()
        return Valid(event)
