"""What a rule may be made of, and a first draft of one."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from etld.deadletters.error_groups import ErrorGroup
from etld.deadletters.rule_writing import draft
from etld.deadletters.rules import from_toml
from etld.deadletters.rules.engine import compile_rules
from etld.deadletters.rules.match import Match
from etld.events.times import EXPECTED

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def group(error: str, event_type: str = "purchase") -> ErrorGroup:
    """Letters with this in common."""
    return ErrorGroup("g", event_type, "VALIDATION", "InvalidEvent", "", 1, 1, 0, error, "1", NOW, NOW, ())


@pytest.mark.parametrize(
    ("error", "name", "step"),
    [
        ("event_details.price: expected a finite number", "purchase_price", {"parse_number": "event_details.price"}),
        ("event_details.prise: expected no field of this name", "purchase_prise", {"rename": "*"}),
        ("event_name: expected one of a, b", "purchase_event_name", {"cast": "event_name"}),
        ('row # [of] "x" \\ is (wrong)', "purchase", {"cast": "*"}),
    ],
)
def test_a_draft_is_a_rule_for_its_group(error: str, name: str, step: dict[str, str]) -> None:
    """It reads as one, and matches the errors of the group, with what came and their numbers."""
    (rule,) = from_toml.read(draft(group(error)), Path("draft.toml"))
    assert (rule["name"], rule["steps"]) == (name, [step])
    compile_rules([rule])
    message = Match.parse(rule["match"]).message
    assert message is not None
    assert message.found_in(f"{error.replace('#', '17')}, got 5")
    assert not message.found_in("something else")


def test_a_draft_for_times_and_for_letters_of_no_type() -> None:
    """A date has formats; an unknown type is not asked for."""
    (rule,) = tomllib.loads(draft(group(f"triggered_at: expected {EXPECTED}", "?")))["steps"]
    assert rule["parse_date"]["field"] == "triggered_at"
    assert "event_type" not in tomllib.loads(draft(group("wrong", "?")))["match"]
