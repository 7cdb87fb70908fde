"""Which dead letters a page is about, from what its address says."""

from __future__ import annotations

import uuid

import pytest

from etld.console.access.users import User
from etld.console.asked import BadValue
from etld.console.letter_choice import choice, chosen_by, letter_name, shown_by
from etld.console.page import View
from etld.deadletters.letter_filter import LetterFilter

GROUP = str(uuid.uuid4())


def test_values_choose_and_nothing_else_does() -> None:
    """What is for the page itself is left out; the same choice is said to a command."""
    values = {"state": "parked", "type": "purchase", "group": GROUP, "id": "0B2f", "after": "0b2f", "preview": "replay"}
    assert set(choice(values)) == {"state", "type", "group", "id"}
    chosen = chosen_by(values)
    assert chosen == LetterFilter(ids=("0b2f",), states=("parked",), types=("purchase",), group=GROUP)
    assert chosen.options() == ["--id=0b2f", "--state=parked", "--type=purchase", f"--group={GROUP}"]
    assert chosen_by({}) == LetterFilter()


@pytest.mark.parametrize(
    "wrong", [{"state": "x'"}, {"group": "1 OR 1"}, {"error": "("}, {"since": "soon"}, {"id": "%"}, {"text": "a\0"}]
)
def test_what_chooses_nothing_is_refused(wrong: dict[str, str]) -> None:
    """In words, as a mistake of who asks."""
    with pytest.raises(BadValue):
        chosen_by(wrong)


def test_who_may_not_see_events_may_not_look_for_them() -> None:
    """Not by their text, their user, their id, nor by errors that say what came."""
    viewer = User("v", "viewer", "")
    for name in ("text", "user", "event_id", "error"):
        with pytest.raises(BadValue, match="may not see"):
            shown_by(View({name: "a"}, viewer, payloads=False))
        shown_by(View({name: "a"}, viewer, payloads=True))
    assert shown_by(View({"state": "parked"}, viewer, payloads=False)).states == ("parked",)


def test_names_of_letters_are_checked() -> None:
    """Nothing that could mean all."""
    assert letter_name({"after": "0B2F"}, "after") == "0b2f"
    with pytest.raises(BadValue, match="not the id"):
        letter_name({"after": "%"}, "after")
