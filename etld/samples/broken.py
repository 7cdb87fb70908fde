"""Ways in which real clients get events wrong. The shipped rules repair some; nobody can repair the rest."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from typing import Any

Event = dict[str, Any]


def _number_field(event: Event) -> str | None:
    details = event["event_details"]
    for name, value in details.items() if isinstance(details, dict) else ():
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(name)
    return None


def _first_field(event: Event) -> str | None:
    details = event["event_details"]
    return next(iter(details), None) if isinstance(details, dict) else None


def number_as_text(event: Event) -> bool:
    """A number in quotes."""
    name = _number_field(event)
    if name is not None:
        event["event_details"][name] = str(event["event_details"][name])
    return name is not None


def user_id_as_text(event: Event) -> bool:
    """The user's id in quotes, with a stray space."""
    user = event["user_details"]
    if not isinstance(user, dict) or not isinstance(user.get("user_id"), int):
        return False
    user["user_id"] = f" {user['user_id']} "
    return True


def slashes(event: Event) -> bool:
    """A date as 2026/12/31."""
    event["triggered_at"] = _moment(event).strftime("%Y/%m/%d %H:%M:%S")
    return True


def epoch_ms(event: Event) -> bool:
    """Milliseconds since 1970 where seconds are due."""
    event["triggered_at"] = int(_moment(event).timestamp() * 1000)
    return True


def decimal_comma(event: Event) -> bool:
    """A price as "12,50"."""
    details = event["event_details"]
    for name, value in details.items() if isinstance(details, dict) else ():
        if isinstance(value, float):
            details[name] = f"{value:.2f}".replace(".", ",")
            return True
    return False


def misspelt_field(event: Event) -> bool:
    """A letter too few in a field's name."""
    name = _first_field(event)
    if name is None:
        return False
    details = event["event_details"]
    details[name[:1] + name[2:] if len(name) > 2 else name + "_"] = details.pop(name)
    return True


def missing_field(event: Event) -> bool:
    """No carrier, or whatever the last field is."""
    details = event["event_details"]
    if not isinstance(details, dict) or not details:
        return False
    del details[list(details)[-1]]
    return True


def wrong_case(event: Event) -> bool:
    """The event type with a capital letter."""
    event["event_type"] = event["event_type"].capitalize()
    return True


def unknown_name(event: Event) -> bool:
    """An event name that nobody configured."""
    event["event_name"] = event["event_name"].upper().replace("_", "-")
    return True


def no_user(event: Event) -> bool:
    """Nobody did it."""
    event["user_details"] = None
    return True


#: Repairable and hopeless ones take turns.
KINDS: tuple[Callable[[Event], bool], ...] = (
    number_as_text,
    decimal_comma,
    user_id_as_text,
    misspelt_field,
    slashes,
    missing_field,
    epoch_ms,
    wrong_case,
    unknown_name,
    no_user,
)


def break_one(event: Event, turn: int, valid: Callable[[Event], bool] = lambda _event: False) -> str:
    """Break the event in the way that is due, or the next one that is possible; the name of the way.

    A way after which the event is still `valid` (a number as text, where a union takes both) is none.
    """
    for offset in range(len(KINDS)):
        kind = KINDS[(turn + offset) % len(KINDS)]
        tried = deepcopy(event)
        if kind(tried) and not valid(tried):
            event.clear()
            event.update(tried)
            return kind.__name__
    wrong_case(event)
    return wrong_case.__name__


def _moment(event: Event) -> datetime:
    return datetime.fromisoformat(str(event["triggered_at"]))
