"""Which dead letters: one choice for lists, counts, groups, trials and actions, as a person says it."""

from __future__ import annotations

import re
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from etld.config.units import parse_duration
from etld.deadletters.letters import STATES
from etld.errors import UsageError
from etld.events.ids import is_canonical

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LONGEST = 1000
_OPTIONS = {
    "ids": "--id",
    "states": "--state",
    "types": "--type",
    "stages": "--stage",
    "error": "--error",
    "group": "--group",
    "text": "--text",
    "event_id": "--event-id",
    "user": "--user",
    "since": "--since",
    "until": "--until",
}


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters; what is None matches any.

    `error` is a regular expression; `older` and `newer` are ages in seconds, `since` and `until` times in ISO 8601.
    `text` stands in what came, as it is. `group` is an `ErrorGroup`'s. A `user` is known of letters with an attempt.
    """

    ids: tuple[str, ...] | None = None
    states: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    error: str | None = None
    older: float | None = None
    newer: float | None = None
    stages: tuple[str, ...] | None = None
    group: str | None = None
    text: str | None = None
    event_id: str | None = None
    user: str | None = None
    since: str | None = None
    until: str | None = None

    def parameters(self) -> dict[str, Any]:
        """For the statements."""
        found = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {**found, "event_uuid": self.event_id if self.event_id and is_canonical(self.event_id) else None}

    @property
    def by_counts(self) -> bool:
        """Does it ask for nothing but what letters are counted by?"""
        return replace(self, states=None, types=None, stages=None, group=None) == LetterFilter()

    def at(self, now: datetime) -> LetterFilter:
        """The same with times in place of ages, so that it means the same later."""
        since, until = _both(self.since, self.newer, now, max), _both(self.until, self.older, now, min)
        return replace(self, since=since, until=until, older=None, newer=None)

    def as_json(self) -> dict[str, Any]:
        """What it asks for."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def options(self) -> list[str]:
        """The same for a command of `etld dlq`, once its ages are times."""
        asked = self.as_json().items()
        several = ((name, one) for name, value in asked for one in (value if isinstance(value, tuple) else (value,)))
        return [f"{_OPTIONS[name]}={one}" for name, one in several]

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> LetterFilter:
        """What `as_json` made."""
        given: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in found.items()}
        return cls(**given)


def letter_filter(
    *,
    states: Sequence[str] = (),
    types: Sequence[str] = (),
    stages: Sequence[str] = (),
    older_than: str | None = None,
    newer_than: str | None = None,
    **texts: Any,
) -> LetterFilter:
    """The filter that texts of a person stand for; `texts` are its other fields. Raises `UsageError`."""
    for state in states:
        if state not in STATES:
            raise UsageError(f"there is no state {state!r}: expected {', '.join(STATES)}")
    for name, text in texts.items():
        if text is not None:
            _check(name, text)
    for text in (*types, *stages):
        _check("type or stage", text)
    for name in ("group", "event_id"):
        given = texts.get(name)
        texts[name] = given.lower() if given else None
    return LetterFilter(
        states=tuple(states) or None,
        types=tuple(types) or None,
        stages=tuple(stages) or None,
        older=_age("--older-than", older_than),
        newer=_age("--newer-than", newer_than),
        **{name: text or None for name, text in texts.items()},
    )


def _check(name: str, text: str) -> None:
    if "\0" in text or len(text) > _LONGEST or any("\ud800" <= one <= "\udfff" for one in text):
        raise UsageError(f"{name}: expected up to {_LONGEST} characters of text")
    try:
        match name:
            case "error":
                re.compile(text)
            case "since" | "until" if text:
                datetime.fromisoformat(text)
            case "group" if text:
                uuid.UUID(text)
    except re.error as problem:
        raise UsageError(f"--error {text!r} is not a regular expression: {problem}") from None
    except ValueError:
        wanted = "the id of a group" if name == "group" else "a time such as 2026-01-31T12:00Z"
        raise UsageError(f"--{name} {text!r}: expected {wanted}") from None


def _age(option: str, text: str | None) -> float | None:
    if not text:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def _both(time: str | None, age: float | None, now: datetime, choose: Any) -> str | None:
    """The narrower of a time and an age, as a time."""
    found = [] if time is None else [_time(time)]
    found += [] if age is None else [now - timedelta(seconds=age)]
    return choose(found).isoformat() if found else None


def _time(text: str) -> datetime:
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
