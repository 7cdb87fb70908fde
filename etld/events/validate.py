"""Does an event fit its schema, and what exactly does not? On ingest's hot path."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from etld.events import times
from etld.events.checks import Check, compile_check, default_of, parsed, record, text
from etld.events.ids import canonical, is_canonical, new_event_id
from etld.events.limits import MAX_NAME
from etld.events.violation import Errors, Room, Violation, show
from etld.schemas import tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Invalid", "Valid", "Validator", "Violation"]


@dataclass(slots=True)
class Valid:
    """The event as Avro writes it: fields in order, defaults filled in, triggered_at in microseconds."""

    event: dict[str, Any]


@dataclass(slots=True)
class Invalid:
    """Everything that is wrong with the event."""

    errors: tuple[Violation, ...]


class Validator:
    """Checks events of one type against its Avro schema; raises `avsc.SchemaError` for a bad schema.

    Only lossless coercion is silent: integer to floating point, integer to string. `event_names` ()
    means any. `zone` is for times that name none. `max_age` and `max_ahead` are seconds around now
    (`Room.now`), 0 is no limit.
    """

    def __init__(
        self,
        avro_schema: Mapping[str, Any],
        *,
        event_type: str,
        event_names: Sequence[str] = (),
        unknown_fields: Literal["reject", "drop"] = "reject",
        zone: str = "UTC",
        max_age: float = 0,
        max_ahead: float = 0,
    ) -> None:
        schema = tree.parse(dict(avro_schema))
        drop = unknown_fields == "drop"
        special: dict[str, Check] = {
            "event_id": _event_id,
            "event_name": _name("event_name", tuple(event_names)),
            "event_type": _event_type(event_type),
            "triggered_at": _moment(zone, max_age, max_ahead),
        }
        self._fields = [
            (
                f.name,
                special.get(f.name) or compile_check(f.type, f.name, zone, drop),
                default_of(f.type, f.default),
                bool(f.default) or f.name == "event_id",
            )
            for f in schema.fields
        ]
        self._check = record("", self._fields, drop)

    def validate(self, obj: Any, room: Room | None = None) -> Valid | Invalid:
        """`obj` (parsed JSON) as an event ready for Avro, or every violation.

        An event without an event_id gets a new one. `room` is shared by the events of one request.
        """
        errors = Errors(room or Room())
        event = self._check(obj, errors)
        if errors:
            return Invalid(tuple(errors))
        if event["event_id"] is None:
            event["event_id"] = new_event_id()
        return Valid(event)


def _event_id(value: Any, errors: Errors) -> Any:
    if type(value) is str and is_canonical(value):
        return value
    if value is None:
        return None
    try:
        return canonical(value)
    except (TypeError, ValueError):
        errors.append(Violation("event_id", "a UUID, such as 0190b5a4-7e1c-7c3a-9d4e-5f6a7b8c9d0e", show(value)))
        return None


def _name(path: str, names: tuple[str, ...]) -> Check:
    known = frozenset(names)
    plain = text(path)
    listed = ", ".join(names)

    def check(value: Any, errors: Errors) -> Any:
        if known:
            if type(value) is str and value in known:
                return value
            hint = errors.room.hint(value, names) if type(value) is str else ""
            errors.append(Violation(path, f"one of {listed}{hint}", show(value)))
            return None
        if type(value) is not str or not 0 < len(value) <= MAX_NAME:
            errors.append(Violation(path, f"a string of 1 to {MAX_NAME} characters", show(value)))
            return None
        return plain(value, errors)

    return check


def _event_type(expected: str) -> Check:
    def check(value: Any, errors: Errors) -> Any:
        if value != expected:
            errors.append(Violation("event_type", f'"{expected}"', show(value)))
        return expected

    return check


def _moment(zone: str, max_age: float, max_ahead: float) -> Check:
    plain = parsed("triggered_at", times.EXPECTED, _parser(zone))
    if not max_age and not max_ahead:
        return plain

    def check(value: Any, errors: Errors) -> Any:
        micros = plain(value, errors)
        if micros is None:
            return None
        now = errors.room.now
        late = (time.time() if now is None else now) - micros / 1e6
        if max_age and late > max_age:
            errors.append(Violation("triggered_at", f"a time at most {max_age:.15g} s ago", show(value)))
        elif max_ahead and -late > max_ahead:
            errors.append(Violation("triggered_at", f"a time at most {max_ahead:.15g} s ahead", show(value)))
        return micros

    return check


def _parser(zone: str) -> Callable[[Any], int]:
    times.zone(zone)
    parse = times.parse_time
    return lambda value: parse(value, zone)
