"""Which dead letters a page or an action is about: fields of URL and form, and the filter that they stand for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from etld.console.asked import BadValue
from etld.console.page import Field
from etld.deadletters.letter_filter import letter_filter
from etld.deadletters.service import letter_names
from etld.errors import EtldError, UsageError

if TYPE_CHECKING:
    from etld.console.page import Values, View
    from etld.deadletters.letter_filter import LetterFilter
    from etld.deadletters.service import BulkAction, DeadLetterService

#: Those that ask for what stands in events.
_PAYLOAD = ("error", "text", "event_id", "user")
FIELDS = (
    Field("state", "Only this state: new, repaired, resent, resolved, parked, discarded."),
    Field("type", 'Only this event type; "?" is unknown.'),
    Field("stage", "Only this stage, such as VALIDATION."),
    Field("group", "Only letters that fail as this group does."),
    Field("error", "Only letters whose error or reason matches this regular expression."),
    Field("text", "Only letters that hold this text, as it came."),
    Field("event_id", "Only letters of this event."),
    Field("user", "Only letters of the user with this user_id, where the event could be read."),
    Field("since", "Only letters that came then or later, such as 2026-01-31T12:00Z."),
    Field("until", "Only letters that came before."),
    Field("id", "Only the letter with this id."),
)


def choice(values: Values) -> dict[str, str]:
    """What of the values chooses letters."""
    return {field.name: values[field.name] for field in FIELDS if field.name in values}


def chosen_by(values: Values) -> LetterFilter:
    """The filter that values stand for; raises `BadValue`."""
    given = choice(values)
    names: dict[str, Any] = {
        name: given.get(name) for name in ("group", "error", "text", "event_id", "user", "since", "until")
    }
    lists: dict[str, Any] = {f"{name}s": [given[name]] if name in given else [] for name in ("state", "type", "stage")}
    try:
        ids = letter_names([given["id"]]) if "id" in given else None
        return replace(letter_filter(**lists, **names), ids=ids)
    except UsageError as error:
        raise BadValue(str(error)) from None


def named(service: DeadLetterService, chosen: LetterFilter, action: BulkAction | None = None) -> LetterFilter:
    """The filter with whole ids, for letters that are there and with which `action` can be done; raises `BadValue`."""
    if chosen.ids is None:
        return chosen
    try:
        return service.identified(chosen, chosen.ids, action)
    except EtldError as error:
        raise BadValue(str(error)) from None


def letter_name(values: Values, field: str) -> str:
    """An id, or the beginning of one; raises `BadValue`."""
    try:
        return letter_names([values[field]])[0]
    except UsageError as error:
        raise BadValue(str(error)) from None


def shown_by(view: View) -> LetterFilter:
    """The same for what a page shows; raises `BadValue` also for who may not ask for what is in events."""
    if not view.payloads:
        for name in _PAYLOAD:
            if name in view.values:
                raise BadValue(f"{name}: you may not see what is in events, nor look for it")
    return chosen_by(view.values)
