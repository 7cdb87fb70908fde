"""From one parsed event to what becomes of it: a record, a dead letter, a refusal. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from etld.deadletters import letter_headers
from etld.events.ids import canonical, derived, misplaced, new_event_id, request_dead_letter_id
from etld.events.limits import MAX_NAME
from etld.events.validate import Invalid
from etld.events.violation import Room, Violation, show
from etld.ingest.compiled import compile_type

if TYPE_CHECKING:
    from etld.ingest.compiled import CompiledType
    from etld.ingest.keys import Key
    from etld.ingest.segment import SegmentMap
    from etld.schemas.catalog import Catalog

Errors = list[dict[str, Any]]


@dataclass(slots=True)
class OutgoingRecord:
    """An event for Kafka."""

    topic: str
    event_id: str
    value: bytes
    headers: list[tuple[str, bytes]] | None = None
    errors: Errors | None = None  # of a dead letter


@dataclass(slots=True)
class Sampled:
    """A good event that the configured sample leaves out."""

    event_id: str


@dataclass(slots=True)
class Refusal:
    """An event of which nothing is kept; `status` as the answer to a single one has it."""

    status: int
    code: str
    detail: str
    errors: Errors
    event_id: str | None = None


Outcome = OutgoingRecord | Sampled | Refusal


@dataclass(frozen=True, slots=True)
class Origin:
    """What a request says about its events."""

    key: Key | None = None
    idempotency_key: str | None = None
    segment: SegmentMap | None = None


class Triage:
    """Decides about events by a catalog; `keep_invalid`: an invalid one becomes a dead letter."""

    def __init__(self, catalog: Catalog, *, keep_invalid: bool, max_event: int) -> None:
        self._catalog = catalog
        self._types = {kind.name: compile_type(kind) for kind in catalog}
        self._keep_invalid = keep_invalid
        self._max_event = max_event

    def decide(self, event: Any, text: bytes | None, index: int, origin: Origin, room: Room) -> Outcome:
        """What becomes of one event; `text` is its JSON where it came by itself, `room` its request's."""
        if type(event) is not dict:
            return Refusal(400, "not_an_object", "an event is a JSON object", [])
        call = None
        if origin.segment is not None and origin.segment.applies(event):
            call, event = event, origin.segment.rewrite(event)
        own_id = event.get("event_id")
        if own_id is None:
            key = origin.idempotency_key
            if key is not None:
                event["event_id"] = derived("Idempotency-Key", key, index)
        kind = self._types.get(name) if type(name := event.get("event_type")) is str else None
        if kind is None:
            if origin.key is not None and origin.key.event_types is not None:
                return _forbidden(f"key {origin.key.name} may not send events of this type", name)
            return self._invalid(event, text, self._unknown(name, room), index, origin, room, call)
        if not kind.accept:
            return _forbidden(f"events of type {kind.name} are not taken from clients", name)
        if origin.key is not None and not origin.key.allows(name):
            return _forbidden(f"key {origin.key.name} may not send events of type {kind.name}", name)
        if kind.direct is not None:
            value = _quickly(kind, event, own_id is None and origin.idempotency_key is None)
            if value is not None:
                event_id = event["event_id"]
                return (
                    OutgoingRecord(kind.topic, event_id, value)
                    if len(value) <= self._max_event
                    else self._too_large(event_id)
                )
        verdict = kind.validator.validate(event, room)
        if isinstance(verdict, Invalid) or (call is not None and "type" in event):
            errors = verdict.errors if isinstance(verdict, Invalid) else ()
            return self._invalid(event, text, errors, index, origin, room, call)
        good = verdict.event
        event_id = good["event_id"]
        if kind.sample and not kind.keeps(good["event_name"], event_id):
            return Sampled(event_id)
        value = kind.encode(good)
        if len(value) > self._max_event:
            return self._too_large(event_id)
        return OutgoingRecord(kind.topic, event_id, value)

    def _unknown(self, name: Any, room: Room) -> tuple[Violation, ...]:
        hint = room.hint(name, self._types) if type(name) is str else ""
        return (Violation("event_type", self._catalog.expected + hint, show(name)),)

    def _invalid(
        self,
        event: Mapping[str, Any],
        text: bytes | None,
        violations: Sequence[Violation],
        index: int,
        origin: Origin,
        room: Room,
        call: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """A dead letter, or a refusal when those are not kept.

        The letter's id comes from the request's or the event's own id where there is one, so that a retry
        makes no second letter; an event without an id takes the letter's, as the corrector has it. `call` is what
        came in Segment's spelling: rules repair the rewriting, `event`; a header keeps what it leaves out.
        """
        # The letter speaks of the event that it holds, the answer of the call that the client made.
        violations = told = violations[: room.most]
        if call is not None and origin.segment is not None:
            violations, told = origin.segment.explain(call, event, violations, room.hint)
        errors = [{"path": item.path, "expected": item.expected, "got": item.got} for item in told]
        room.lines -= len(errors)
        known = _canonical(event.get("event_id")) or misplaced(event)
        request = origin.idempotency_key
        if request is not None:
            letter_id = request_dead_letter_id(request, index)
        else:
            letter_id = request_dead_letter_id(known or new_event_id(), 0)
        event_id = known or letter_id
        message = "; ".join(map(str, violations[:5]))
        if not self._keep_invalid:
            return Refusal(422, "invalid_event", "; ".join(map(str, told[:5])), errors, event_id)
        if event.get("event_id", "") is None:
            event = {name: value for name, value in event.items() if name != "event_id"}
        sent = text if text is not None else _dumps(event if call is None else call)
        value = sent if call is None else _dumps(event)
        if max(len(sent), len(value)) > self._max_event:
            return self._too_large(event_id)
        kind = event.get("event_type")
        headers = letter_headers.headers(
            dead_letter_id=letter_id,
            stage=letter_headers.VALIDATION,
            error_class="InvalidEvent",
            message=message,
            event_id=event_id,
            event_type=kind[:MAX_NAME] if isinstance(kind, str) else None,
        )
        if call is not None:
            headers.append((letter_headers.ORIGINAL, sent))
        return OutgoingRecord(letter_headers.DEAD_LETTER_TOPIC, event_id, value, headers, errors)

    def _too_large(self, event_id: str) -> Refusal:
        limit = self._max_event
        return Refusal(413, "event_too_large", f"an event may have {limit} bytes", [], event_id)


def _quickly(kind: CompiledType, event: dict[str, Any], anonymous: bool) -> bytes | None:
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


def _dumps(event: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(event)
    except TypeError:
        # An integer beyond 64 bits.
        return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _forbidden(detail: str, name: Any) -> Refusal:
    return Refusal(
        403,
        "type_not_allowed",
        detail,
        [
            {
                "path": "event_type",
                "expected": "a type that may be sent here",
                "got": show(name),
            }
        ],
    )


def _canonical(event_id: Any) -> str | None:
    try:
        return canonical(event_id) if isinstance(event_id, str) else None
    except ValueError:
        return None
