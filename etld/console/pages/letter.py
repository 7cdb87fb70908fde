"""One dead letter: its bytes, its event, each attempt with what it changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from etld.console.letter_choice import letter_name, named
from etld.console.page import REASON, Field, Page, PageAction
from etld.console.render import texts
from etld.deadletters.letter_filter import LetterFilter
from etld.deadletters.service import DISCARD, REPLAY, DeadLetterService, open_repairer
from etld.errors import EtldError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etld.console.access.users import User
    from etld.console.page import Values, View
    from etld.console.sources import Sources
    from etld.deadletters.changes import Change

#: Bytes of a value, and characters of an event and of what a field holds, that are shown.
_BYTES, _EVENT, _FIELD = 4096, 64_000, 2000
#: Seconds for the registry.
_PATIENCE = 2.0
#: What stands in no event.
_FOR_ALL = (
    "id",
    "event_type",
    "state",
    "stage",
    "error_class",
    "sqlstate",
    "topic",
    "partition",
    "offset",
    "attempts",
    "explain",
)


def _data(sources: Sources, view: View) -> dict[str, Any]:
    name = letter_name(view.values, "letter")
    # Without rules: their hooks run in processes of their own, from the rule bench.
    repairer = open_repairer(sources.config, sources.addresses, rules=(), patience=_PATIENCE)
    with sources.reading() as conn:
        service = DeadLetterService(conn, repairer)
        found = named(service, LetterFilter(ids=(name,)))
        report = service.show((found.ids or (name,))[0])
        # With the event_id that a repair has, also where none came.
        draft = _event(service.draft(report.letter.listed.id).event)
    row, value = report.letter.listed, report.letter.value
    told = {
        **report.as_json(),
        "created_at": row.created_at,
        "draft_text": draft if row.state in REPLAY.states and draft and len(draft) <= _EVENT else None,
        "replayable": row.state in REPLAY.states,
        "discardable": row.state in DISCARD.states,
        "payloads": view.payloads,
        "key_text": _cut(report.as_json()["key"] or ""),
        "event_text": _event(report.decoded.event),
        "attempts_made": [
            {
                "attempt": one.attempt,
                "rule": one.rule,
                "outcome": one.outcome,
                "error": _cut(one.error or ""),
                "at": one.at,
                "changes": list(_shown(changed)) if view.payloads else [],
            }
            for one, changed in report.attempts
        ],
        "dump": _dump((value or b"")[:_BYTES]),
        "more_bytes": max(0, len(value or b"") - _BYTES),
    }
    if view.payloads:
        return told
    return {key: told[key] for key in (*_FOR_ALL, "created_at", "replayable", "discardable", "payloads")}


def _replay(sources: Sources, values: Values, _user: User) -> str:
    try:
        event = json.loads(values["event"])
    except (ValueError, RecursionError) as error:
        raise EtldError(texts()["letters"]["no_json"].format(error=error), code="ETLD-U003") from None
    repairer = open_repairer(sources.config, sources.addresses, rules=(), patience=_PATIENCE)
    with sources.connection() as conn:
        service = DeadLetterService(conn, repairer)
        (letter,) = named(service, LetterFilter(ids=(letter_name(values, "letter"),)), REPLAY).ids or ("",)
        service.replay_by_hand(service.draft(letter), event)
    return str(texts()["letters"]["sent"].format(id=letter))


def _event(event: dict[str, Any] | None) -> str | None:
    if event is None:
        return None
    text = json.dumps(event, indent=2, ensure_ascii=False, default=str)
    return text if len(text) <= _EVENT else f"{text[:_EVENT]} …"


def _shown(changed: Iterable[Change]) -> Iterable[dict[str, str]]:
    for one in changed:
        yield {"path": _cut(one.path), "before": _cut(one.before), "after": _cut(one.after)}


def _cut(text: str) -> str:
    return text if len(text) <= _FIELD else f"{text[:_FIELD]} …"


def _dump(value: bytes) -> str:
    """Offset, bytes and text of each sixteen."""
    lines = []
    for start in range(0, len(value), 16):
        row = value[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:06x}  {row.hex(' '):<47}  {text}")
    return "\n".join(lines)


_LETTER = Field("letter", "Its id, the beginning of it, or an event_id.", required=True)

PAGE = Page(
    name="letter",
    path="/dead-letters/{letter}",
    description="One dead letter, with what came, what is wrong with it, and each attempt at it.",
    data=_data,
    fields=(_LETTER,),
    actions=(
        PageAction(
            "replay",
            "operator",
            "Send the letter's event as it is given here, if it is valid now.",
            _replay,
            (_LETTER, Field("event", "The whole event as JSON.", required=True, longest=_EVENT, secret=True), REASON),
        ),
    ),
)
