"""Which letters, as a person says it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from etld.deadletters.letter_filter import LetterFilter, letter_filter
from etld.errors import UsageError

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_a_filter_outlives_its_way_as_json() -> None:
    """And what nobody asked for is None, so that it matches any."""
    asked = letter_filter(
        states=["parked"], types=("purchase",), group=str(uuid.uuid4()).upper(), error="a|b", user="7", newer_than="1 h"
    )
    assert LetterFilter.from_json(asked.as_json()) == asked
    assert (asked.newer, asked.text, asked.group) == (3600.0, None, (asked.group or "").lower())
    assert letter_filter(text="", since="", group="", event_id="", user="") == LetterFilter()


def test_ages_become_times() -> None:
    """The narrower of an age and a time; a time without a zone is UTC."""
    asked = letter_filter(newer_than="1 h", older_than="1 min", since="2026-01-31T11:30", until="2026-01-31T12:30Z")
    pinned = asked.at(NOW)
    assert (pinned.since, pinned.until) == ("2026-01-31T11:30:00+00:00", "2026-01-31T11:59:00+00:00")
    assert (pinned.older, pinned.newer) == (None, None)
    assert LetterFilter().at(NOW) == LetterFilter()


def test_only_what_letters_are_counted_by_is_counted() -> None:
    """Anything else is looked up."""
    assert letter_filter(states=["parked"], types=["x"], stages=["S"], group=str(uuid.uuid4())).by_counts
    for more in ({"text": "a"}, {"error": "a"}, {"newer_than": "1 h"}, {"user": "1"}):
        assert not letter_filter(**more).by_counts  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"states": ["parkd"]}, "there is no state 'parkd': expected new, "),
        ({"error": "("}, "not a regular expression"),
        ({"since": "yesterday"}, "expected a time such as"),
        ({"group": "1 OR 1"}, "expected the id of a group"),
        ({"text": "a\0b"}, "text: expected up to 1000 characters"),
        ({"user": "7" * 1001}, "user: expected"),
        ({"types": ["\ud800"]}, "type or stage: expected"),
        ({"newer_than": "soon"}, "--newer-than"),
    ],
)
def test_what_is_no_filter_is_refused(wrong: dict[str, Any], words: str) -> None:
    """In words."""
    with pytest.raises(UsageError, match=words):
        letter_filter(**wrong)
