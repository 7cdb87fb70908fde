"""From one parsed event to what becomes of it: a record, a dead letter, a refusal. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.events.ids import derived, new_event_id
from etld.events.validate import Invalid
from etld.events.violation import Violation, ViolationBudget, show
from etld.ingest.compiled import compile_type
from etld.ingest.invalid import InvalidEvents, Received
from etld.ingest.outcomes import Ignored, Outcome, OutgoingRecord, Refusal, Sampled, too_large

if TYPE_CHECKING:
    from etld.ingest.compiled import CompiledType
    from etld.ingest.keys import Key
    from etld.ingest.outcomes import Origin
    from etld.schemas.catalog import Catalog


class Triage:
    """Decides about events by a catalog; `keep_invalid`: an invalid one becomes a dead letter, in `letters`."""

    def __init__(self, catalog: Catalog, letters: str, *, keep_invalid: bool, max_event: int) -> None:
        self._expected = catalog.expected
        self._types = {kind.name: compile_type(kind) for kind in catalog}
        self._invalid = InvalidEvents(letters, keep=keep_invalid, max_event=max_event)
        self._max_event = max_event

    def decide(self, event: Any, text: bytes | None, index: int, origin: Origin, budget: ViolationBudget) -> Outcome:
        """What becomes of one event; `text` is its JSON where it came by itself, `budget` its request's."""
        if type(event) is not dict:
            return Refusal(400, "not_an_object", "an event is a JSON object", [])
        segment = origin.segment
        if segment is None or not segment.applies(event):
            return self._decide(Received(event, text, index, origin, None), budget)
        ignored = segment.ignored(event, origin.call)
        if ignored is not None:
            return Ignored(*ignored)
        outcome = self._decide(Received(segment.rewrite(event, origin.call), text, index, origin, event), budget)
        outcome.segment = True
        return outcome

    def _decide(self, received: Received, budget: ViolationBudget) -> Outcome:
        event, origin, call = received.event, received.origin, received.call
        anonymous = event.get("event_id") is None
        if anonymous and origin.idempotency_key is not None:
            event["event_id"] = derived("Idempotency-Key", origin.idempotency_key, received.index)
            anonymous = False
        kind = self._types.get(name) if type(name := event.get("event_type")) is str else None
        if kind is None or not kind.accept or origin.key is not None:
            refusal = _not_allowed(kind, name, origin.key)
            if refusal is not None:
                return refusal
        if kind is not None and kind.direct is not None:
            value = _directly(kind, event, anonymous)
            if value is not None:
                event_id = event["event_id"]
                if len(value) <= self._max_event:
                    return OutgoingRecord(kind.topic, event_id, value)
                return too_large(event_id, self._max_event)
        decided = self._exactly(kind, event, budget, other_call=call is not None and "type" in event)
        if not isinstance(decided, tuple):
            return decided
        return self._invalid.outcome(received, decided, budget)

    def _exactly(
        self, kind: CompiledType | None, event: dict[str, Any], budget: ViolationBudget, *, other_call: bool
    ) -> Outcome | tuple[Violation, ...]:
        """With every lossless coercion made, or every violation told.

        `other_call`: in Segment's spelling it is something else than an event, whatever it holds.
        """
        if kind is None:
            return (self._unknown(event.get("event_type"), budget),)
        verdict = kind.validator.validate(event, budget)
        if isinstance(verdict, Invalid):
            return verdict.errors
        if other_call:
            return ()
        good = verdict.event
        event_id = good["event_id"]
        if kind.sample and not kind.keeps(good["event_name"], event_id):
            return Sampled(event_id)
        value = kind.encode(good)
        if len(value) > self._max_event:
            return too_large(event_id, self._max_event)
        return OutgoingRecord(kind.topic, event_id, value)

    def _unknown(self, name: Any, budget: ViolationBudget) -> Violation:
        hint = budget.hint(name, self._types) if type(name) is str else ""
        return Violation("event_type", self._expected + hint, show(name))


def _directly(kind: CompiledType, event: dict[str, Any], anonymous: bool) -> bytes | None:
    """The record's value of a plainly valid event; an anonymous one gets its id, and loses it when it is not."""
    assert kind.direct is not None
    if anonymous:
        event["event_id"] = new_event_id()
    try:
        made = kind.direct(event)
    except (KeyError, TypeError, ValueError, AttributeError):
        made = None
    if made is None and anonymous:
        event["event_id"] = None
    return made


def _not_allowed(kind: CompiledType | None, name: Any, key: Key | None) -> Refusal | None:
    """Why an event of this type is not taken from this client; None when it is, or when its type is not known."""
    if kind is None:
        if key is None or key.event_types is None:
            return None
        detail = f"key {key.name} may not send events of this type"
    elif not kind.accept:
        detail = f"events of type {kind.name} are not taken from clients"
    elif key is not None and not key.allows(name):
        detail = f"key {key.name} may not send events of type {kind.name}"
    else:
        return None
    error = {"path": "event_type", "expected": "a type that may be sent here", "got": show(name)}
    return Refusal(403, "type_not_allowed", detail, [error])
