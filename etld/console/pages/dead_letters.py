"""Dead letters: what is wrong, which letters, and what is done with all that match."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from etld.console.asked import BadValue
from etld.console.letter_choice import FIELDS, choice, chosen_by, letter_name, named, shown_by
from etld.console.page import Field, Page, PageAction
from etld.console.render import texts
from etld.deadletters.letters import STATES
from etld.deadletters.service import DISCARD, REPLAY, DeadLetterService, bulk_filter
from etld.errors import UsageError

if TYPE_CHECKING:
    from etld.console.access.users import User
    from etld.console.page import Values, View
    from etld.console.sources import Sources
    from etld.deadletters.letter_filter import LetterFilter
    from etld.deadletters.queries import ListedLetter
    from etld.deadletters.service import BulkAction

_GROUPS, _LETTERS, _JOBS = 100, 50, 3
_ACTIONS = {"replay": REPLAY, "discard": DISCARD}


def _data(sources: Sources, view: View) -> dict[str, Any]:
    values = view.values
    chosen = shown_by(view)
    after = letter_name(values, "after") if "after" in values else None
    with sources.reading() as conn:
        service = DeadLetterService(conn)
        chosen = named(service, chosen)
        groups = service.groups(chosen, _GROUPS)
        rows = list(service.listed(chosen, _LETTERS + 1, after))
        jobs = service.jobs(_JOBS)
        preview = _preview(service, _ACTIONS[values["preview"]], values) if values.get("preview") in _ACTIONS else None
    return {
        "choice": choice(values),
        "states": STATES,
        "groups": [
            {**one.as_json(), "first_seen": one.first_seen, "last_seen": one.last_seen} for one in groups.groups
        ],
        "kinds": groups.total,
        "total": sum(one.letters for one in groups.groups),
        "letters": [_letter(row, view) for row in rows[:_LETTERS]],
        "older": rows[_LETTERS - 1].id if len(rows) > _LETTERS else None,
        "jobs": [{**job.as_json(), "filter": job.chosen.as_json() if view.payloads else None} for job in jobs],
        "preview": preview,
    }


def _letter(row: ListedLetter, view: View) -> dict[str, Any]:
    """What came stands in errors and reasons: not for everybody."""
    told = {**row.as_json(), "created_at": row.created_at}
    return told if view.payloads else {**told, "error": None, "reason": None, "event_id": None}


def _preview(service: DeadLetterService, action: BulkAction, values: Values) -> dict[str, Any]:
    wanted = _wanted(service, action, values)
    groups = service.groups(wanted, _GROUPS)
    return {
        "action": action.verb,
        "total": service.count(wanted),
        "kinds": groups.total,
        "groups": [one.as_json() for one in groups.groups],
    }


def _wanted(service: DeadLetterService, action: BulkAction, values: Values) -> LetterFilter:
    try:
        chosen = bulk_filter(action, chosen_by(values), named="id" in values)
    except UsageError as error:
        raise BadValue(str(error)) from None
    return named(service, chosen, action)


def _begin(action: BulkAction, sources: Sources, values: Values, user: User) -> str:
    reason = values.get("reason")
    with sources.connection() as conn:
        service = DeadLetterService(conn)
        job = service.begin(action, _wanted(service, action, values), user.name, reason)
    return str(texts()["letters"]["begun"].format(job=job.id, verb=action.verb, total=job.total))


def _cancel(sources: Sources, values: Values, _user: User) -> str:
    with sources.connection() as conn:
        job = DeadLetterService(conn).cancel(int(values["job"]))
    return str(texts()["letters"]["ended"].format(job=job.id, state=job.state, done=job.done, total=job.total))


_JOB = Field("job", "The number of the job.", required=True, integer=True, most=2**63 - 1)

PAGE = Page(
    name="dead-letters",
    path="/dead-letters",
    description="Dead letters by what is wrong with them, and those that match.",
    data=_data,
    fields=(
        *FIELDS,
        Field("after", "Letters after the one with this id."),
        Field("preview", "replay or discard: what that would touch."),
    ),
    actions=(
        PageAction(
            "replay",
            "operator",
            "Have the corrector take all letters that match up again.",
            partial(_begin, REPLAY),
            (*FIELDS, Field("reason", "Why; for the audit.")),
        ),
        PageAction(
            "discard",
            "operator",
            "Give all letters that match up for good.",
            partial(_begin, DISCARD),
            (*FIELDS, Field("reason", "Why; for the audit.", required=True)),
        ),
        PageAction("cancel", "operator", "Do no more of a job; what is done stays done.", _cancel, (_JOB,)),
    ),
    live=True,
    key="d",
)
