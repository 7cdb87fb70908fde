"""The checks of what every event has, whatever its schema says about the details: id, name, type, time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from etld.events import times
from etld.events.checks import parsed, text
from etld.events.ids import canonical, is_canonical
from etld.events.limits import MAX_NAME
from etld.events.violation import Violation, Violations, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.events.checks import Check


def checks(
    event_type: str, event_names: tuple[str, ...], zone: str, max_age: float, max_ahead: float
) -> dict[str, Check]:
    """Each field's check. `event_names` () means any; `zone` is for times that name none.

    `max_age` and `max_ahead` are seconds around now (`ViolationBudget.now`), 0 is no limit.
    """
    return {
        "event_id": _event_id,
        "event_name": _name("event_name", event_names),
        "event_type": _event_type(event_type),
        "triggered_at": _moment(zone, max_age, max_ahead),
    }


def _event_id(value: Any, errors: Violations) -> Any:
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

    def check(value: Any, errors: Violations) -> Any:
        if known:
            if type(value) is str and value in known:
                return value
            hint = errors.budget.hint(value, names) if type(value) is str else ""
            errors.append(Violation(path, f"one of {listed}{hint}", show(value)))
            return None
        if type(value) is not str or not 0 < len(value) <= MAX_NAME:
            errors.append(Violation(path, f"a string of 1 to {MAX_NAME} characters", show(value)))
            return None
        return plain(value, errors)

    return check


def _event_type(expected: str) -> Check:
    def check(value: Any, errors: Violations) -> Any:
        if value != expected:
            errors.append(Violation("event_type", f'"{expected}"', show(value)))
        return expected

    return check


def _moment(zone: str, max_age: float, max_ahead: float) -> Check:
    plain = parsed("triggered_at", times.EXPECTED, _parser(zone))
    if not max_age and not max_ahead:
        return plain

    def check(value: Any, errors: Violations) -> Any:
        micros = plain(value, errors)
        if micros is None:
            return None
        now = errors.budget.now
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
