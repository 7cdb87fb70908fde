"""What becomes of an event that violates its schema: a dead letter, or a refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from etld.deadletters import letter_headers
from etld.events.ids import canonical, misplaced, new_event_id, request_dead_letter_id
from etld.events.limits import MAX_NAME
from etld.ingest.outcomes import Outcome, OutgoingRecord, Refusal, too_large

if TYPE_CHECKING:
    from etld.events.violation import Violation, ViolationBudget
    from etld.ingest.outcomes import Origin

# So many violations in the one line that a letter's header, or an answer's detail, has for them.
_TOLD = 5


@dataclass(frozen=True, slots=True)
class Received:
    """An event as it came: `text` is its JSON where it came by itself, `index` its place in its request.

    `call` is what came in Segment's spelling, and `event` the rewriting of it.
    """

    event: dict[str, Any]
    text: bytes | None
    index: int
    origin: Origin
    call: Mapping[str, Any] | None


class InvalidEvents:
    """Keeps invalid events as dead letters (`keep`) in `topic`, or refuses them."""

    def __init__(self, topic: str, *, keep: bool, max_event: int) -> None:
        self._topic = topic
        self._keep = keep
        self._max_event = max_event

    def outcome(self, received: Received, violations: Sequence[Violation], budget: ViolationBudget) -> Outcome:
        """A dead letter, or a refusal when those are not kept.

        Of a call in Segment's spelling rules repair the rewriting; a header keeps what it leaves out.
        """
        # The letter speaks of the event that it holds, the answer of the call that the client made.
        event, call = received.event, received.call
        violations = told = violations[: budget.most]
        if call is not None and received.origin.segment is not None:
            violations, told = received.origin.segment.explain(call, event, violations, budget.hint)
        errors = [{"path": item.path, "expected": item.expected, "got": item.got} for item in told]
        budget.lines -= len(errors)
        event_id, letter_id = _ids(received)
        if not self._keep:
            return Refusal(422, "invalid_event", _listed(told), errors, event_id)
        if event.get("event_id", "") is None:
            event = {name: value for name, value in event.items() if name != "event_id"}
        sent = received.text
        if call is not None and "writeKey" in call:
            # The secret of who sent it is not for the letter.
            sent = _dumps({name: value for name, value in call.items() if name != "writeKey"})
        elif sent is None:
            sent = _dumps(event if call is None else call)
        value = sent if call is None else _dumps(event)
        if max(len(sent), len(value)) > self._max_event:
            return too_large(event_id, self._max_event)
        event_type = event.get("event_type")
        headers = letter_headers.headers(
            dead_letter_id=letter_id,
            stage=letter_headers.VALIDATION,
            error_class="InvalidEvent",
            message=_listed(violations),
            event_id=event_id,
            event_type=event_type[:MAX_NAME] if isinstance(event_type, str) else None,
        )
        if call is not None:
            headers.append((letter_headers.ORIGINAL, sent))
        return OutgoingRecord(self._topic, event_id, value, headers, errors)


def _ids(received: Received) -> tuple[str, str]:
    """(event id, dead letter id).

    The letter's comes from the request's or the event's own id where there is one, so that a retry makes no second
    letter; an event without an id takes the letter's, as the corrector has it.
    """
    known = _canonical(received.event.get("event_id")) or misplaced(received.event)
    request = received.origin.idempotency_key
    if request is not None:
        letter_id = request_dead_letter_id(request, received.index)
    else:
        letter_id = request_dead_letter_id(known or new_event_id(), 0)
    return known or letter_id, letter_id


def _listed(violations: Sequence[Violation]) -> str:
    return "; ".join(map(str, violations[:_TOLD]))


def _dumps(event: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(event)
    except TypeError:
        # An integer beyond 64 bits.
        return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _canonical(event_id: Any) -> str | None:
    try:
        return canonical(event_id) if isinstance(event_id, str) else None
    except ValueError:
        return None
