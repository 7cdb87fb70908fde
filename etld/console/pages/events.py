"""Events: searching for them, the newest first."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from etld.config.units import parse_duration
from etld.console.asked import BadValue
from etld.console.page import REASON, Field, Page, PageAction
from etld.console.render import iso, texts
from etld.sinks.postgres import read_rows
from etld.sinks.postgres.event_search import EventSearch, lacks, search

if TYPE_CHECKING:
    from etld.console.access.users import User
    from etld.console.page import Values, View
    from etld.console.sources import Sources

_ROWS = 50
#: Seconds that somebody waits for an answer; then a link looks further.
_PATIENCE = 2.0
_AFTER = re.compile(r"(?P<at>\S+)_(?P<id>[0-9a-f-]{36})")
#: What an event holds, and so not everybody may see.
_PAYLOAD = ("user_details", "event_details")


def _data(sources: Sources, view: View) -> dict[str, Any]:
    values = view.values
    if "user" in values and not view.payloads:
        raise BadValue(texts()["events"]["no_user"])
    around: dict[str, Any] = {
        "types": sorted(sources.config.event_types),
        "payloads": view.payloads,
        # What is looked for now changes by itself; a page further back, and one event, do not.
        "tail": not values.keys() & {"id", "after", "until"},
        "missing_indexes": {},
        "looked_back_to": None,
        "complete": True,
        "out_of_time": False,
        "next": None,
    }
    if "id" in values:
        event_id = _id(values["id"])
        with sources.reading(as_reader=True) as conn:
            row = read_rows.one(conn, event_id)
        return {**around, "id": event_id, "rows": [] if row is None else [_shown(row, view)]}
    wanted = _wanted(values)
    with sources.reading(as_reader=True) as conn:
        found = search(conn, wanted, _ROWS, _PATIENCE)
        out_of_time = not (found.complete or found.full)
        missing = lacks(conn) if out_of_time else {}
    return {
        **around,
        "id": None,
        "rows": [_shown(row, view) for row in found.rows],
        "looked_back_to": found.looked_back_to,
        "complete": found.complete,
        "out_of_time": out_of_time,
        "missing_indexes": missing,
        "next": None if found.complete else _next(found.looked_back_to, found.rows[-1] if found.full else None),
    }


def _shown(row: dict[str, Any], view: View) -> dict[str, Any]:
    return row if view.payloads else {name: value for name, value in row.items() if name not in _PAYLOAD}


def _wanted(values: Values) -> EventSearch:
    until, after = _time(values, "until", last=True), None
    if "after" in values:
        match = _AFTER.fullmatch(values["after"])
        if match is None:
            raise BadValue(texts()["events"]["bad_after"])
        until, after = _moment(match["at"], "after"), match["id"]
        after = None if after == str(uuid.UUID(int=0)) else _id(after)
    return EventSearch(
        values.get("type"), values.get("name"), values.get("user"), _time(values, "since", last=False), until, after
    )


def _next(at: datetime, last: dict[str, Any] | None) -> str:
    """Where the next page begins: after an event, or before a moment."""
    return f"{iso(at)}_{last['event_id'] if last else uuid.UUID(int=0)}"


def _id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise BadValue(texts()["events"]["bad_id"].format(id=text)) from None


def _time(values: Values, name: str, *, last: bool) -> datetime | None:
    """A moment: a date (of an end, its last moment), a date with a time, or how long ago: "2 h"."""
    text = values.get(name)
    if text is None:
        return None
    try:
        return datetime.now(UTC) - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        pass
    moment = _moment(text, name)
    whole_day = last and re.fullmatch(r"\d{4}-\d{2}-\d{2}", text)
    return moment + timedelta(days=1, microseconds=-1) if whole_day else moment


def _moment(text: str, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadValue(texts()["events"]["bad_time"].format(name=name, value=text)) from None


def _forget(option: str, sources: Sources, values: Values, user: User) -> str:
    return sources.command(user, "forget", option, "--", f"{values['field']}={values['value']}")


_SUBJECT = (
    Field("field", "The path of a field, such as user_id.", required=True),
    Field("value", "What is in it in the events of the one who is to be forgotten.", required=True, secret=True),
)

PAGE = Page(
    name="events",
    path="/events",
    description="Events that are stored, newest first, by id, type, name, user and time.",
    data=_data,
    fields=(
        Field("id", "The event with this id."),
        Field("type", "Only of this event type."),
        Field("name", "Only of this name."),
        Field("user", "Only of the user with this user_id."),
        Field("since", "Accepted since: 2026-01-31, 2026-01-31T12:00, or how long ago, such as 2 h."),
        Field("until", "Accepted until, written alike."),
        Field("after", "Where the last page ended: its next."),
    ),
    live=True,
    # Looking for the newest of 20,000 events a second takes a while where no index of times is there.
    share=0.01,
    actions=(
        PageAction(
            "count",
            "admin",
            "Count what there is of somebody, and change nothing, as etld forget --dry-run.",
            partial(_forget, "--dry-run"),
            _SUBJECT,
            changes=False,
        ),
        PageAction(
            "forget",
            "admin",
            "Erase somebody's events and dead letters for good, as etld forget.",
            partial(_forget, "--yes"),
            (*_SUBJECT, REASON),
        ),
    ),
    key="e",
)
