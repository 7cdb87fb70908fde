"""The dead letters of etld.dead_letter and the audit of every attempt at them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from etld.deadletters.letters import Attempt, LockedLetter, PendingLetter
from etld.events.ids import canonical
from etld.postgres import statements
from etld.sinks.postgres import swallowed_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.deadletters.letters import ArrivedLetter, Decision
    from etld.postgres.connections import Cursor

_SQL = statements.load(__package__, "repository")

_TRIED = "the corrector ended with it, or with one like it, in hand: it is tried in a process of its own first"


def clean(text: str | None) -> str | None:
    """A text that PostgreSQL holds: no NUL, no lone surrogate; what was there stays legible."""
    if text is None:
        return None
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def add(cur: Cursor, letters: Sequence[ArrivedLetter]) -> int:
    """Keep new letters; how many of them were not there yet.

    Raises `SinkError` when they are not there after it: a trigger or rule of the table is in the way.
    """
    if not letters:
        return 0
    columns: dict[str, Any] = {
        name: [clean(getattr(letter, name)) for letter in letters]
        for name in ("id", "event_type", "stage", "error_class", "error", "sqlstate", "topic")
    }
    for name in ("partition", "offset", "key", "value", "queue_partition", "queue_offset", "queued_at"):
        columns[name] = [getattr(letter, name) for letter in letters]
    known = [_event_id(letter.event_id) for letter in letters]
    columns["event_id"], columns["event_id_text"] = [one for one, _ in known], [text for _, text in known]
    columns["headers"] = [
        json.dumps({clean(name): clean(value) for name, value in letter.headers.items()}) for letter in letters
    ]
    added = len(cur.execute(_SQL.add, columns).fetchall())
    if added < len(letters):
        there = cur.execute(_SQL.there, {"ids": columns["id"]}).fetchall()
        swallowed_by.refuse_loss("etld.dead_letter", len(set(columns["id"])), len(there))
    return added


def _event_id(text: str | None) -> tuple[str | None, str | None]:
    """(event_id, event_id_text): a UUID, or what is none."""
    try:
        return (canonical(text) if text is not None else None), None
    except ValueError:
        return None, clean(text)


def lock(cur: Cursor, letter_id: str) -> LockedLetter | None:
    """The letter, locked until the transaction ends; None when there is none."""
    row = cur.execute(_SQL.lock, {"id": letter_id}).fetchone()
    return LockedLetter(*row) if row else None


def record_return(cur: Cursor, letter: ArrivedLetter) -> bool:
    """Note on its attempt that a repair came back; False when that is known already."""
    return bool(
        cur.execute(
            _SQL.record_return,
            {
                "id": letter.repair_of,
                "attempt": letter.attempt,
                "returned_as": letter.id,
                "topic": clean(letter.topic),
                "stage": clean(letter.stage),
                "error_class": clean(letter.error_class),
                "error": clean(letter.error),
                "sqlstate": clean(letter.sqlstate),
            },
        ).rowcount
    )


def after_return(cur: Cursor, letter_id: str, state: str, reason: str | None) -> None:
    """The state of a letter whose repair failed."""
    cur.execute(_SQL.after_return, {"id": letter_id, "state": state, "reason": clean(reason)})


def take_new(cur: Cursor, limit: int) -> list[PendingLetter]:
    """The oldest letters that are due and that nobody else is at; locked until the transaction ends."""
    rows = cur.execute(_SQL.take_new, {"limit": limit}).fetchall()
    return [PendingLetter(*row) for row in rows]


def take_tried(cur: Cursor, ids: Sequence[str]) -> list[PendingLetter]:
    """The same of these letters, due or not: they were set aside."""
    return [PendingLetter(*row) for row in cur.execute(_SQL.take_tried, {"ids": list(ids)})]


def set_aside(cur: Cursor, ids: Sequence[str], seconds: float) -> None:
    """Let no corrector take new letters for so long: they are being tried."""
    if ids:
        cur.execute(_SQL.set_aside, {"ids": list(ids), "seconds": seconds, "reason": _TRIED})


def of_ids(cur: Cursor, ids: Sequence[str]) -> list[PendingLetter]:
    """Letters as `take_new` has them, whatever their state, newest first, and not locked."""
    return [PendingLetter(*row) for row in cur.execute(_SQL.of_ids, {"ids": list(ids)})]


def attempts_of(cur: Cursor, ids: Sequence[str]) -> dict[str, list[Attempt]]:
    """The audit of some letters, oldest attempt first."""
    found: dict[str, list[Attempt]] = {}
    if ids:
        for row in cur.execute(_SQL.attempts_of, {"ids": ids}):
            found.setdefault(row[0], []).append(Attempt(*row))
    return found


def stored_already(cur: Cursor, event_ids: Sequence[str]) -> set[str]:
    """Which of these event ids processed_events has."""
    if not event_ids:
        return set()
    return {row[0] for row in cur.execute(_SQL.stored_already, {"ids": event_ids})}


def write_decisions(cur: Cursor, decisions: Sequence[Decision]) -> None:
    """Write what became of letters that `take_new` locked, and its audit, together."""
    if not decisions:
        return
    audit = [one.audit for one in decisions if one.audit is not None]
    if audit:
        cur.execute(_SQL.add_attempts, _attempt_columns(audit))
    columns: dict[str, Any] = {
        name: [getattr(one, name) for one in decisions] for name in ("id", "state", "attempts", "wait", "waits_for")
    }
    columns["event_type"] = [clean(one.event_type) for one in decisions]
    columns["reason"] = [clean(one.reason) for one in decisions]
    for name in ("topic", "key", "value"):
        columns[f"repair_{name}"] = [getattr(one.repair, name) if one.repair else None for one in decisions]
    cur.execute(_SQL.write_decisions, columns)


def _attempt_columns(audit: Sequence[Attempt]) -> dict[str, Any]:
    return {
        "id": [one.letter for one in audit],
        "attempt": [one.attempt for one in audit],
        "rule": [clean(one.rule) for one in audit],
        "before": [as_json(one.before) for one in audit],
        "after": [as_json(one.after) for one in audit],
        "tried": [as_json(one.tried) for one in audit],
        "error": [clean(one.error) for one in audit],
        "outcome": [one.outcome for one in audit],
    }


def as_json(value: Any) -> str | None:
    """A decoded event as the audit keeps it: plain ASCII JSON, so that any text fits; None is NULL."""
    if value is None:
        return None
    try:
        return json.dumps(value, default=str, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
