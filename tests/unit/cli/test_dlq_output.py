"""What `etld dlq` shows of an event's values on a terminal."""

from __future__ import annotations

import json

import pytest

from etld.cli.dlq.output import print_changes, readable
from etld.deadletters.changes import changes

OBEYED = "\x1b[31m \x9b2J \u202e \u2066 \u200b \u2028 \x7f \ud800 \u00a0 \U000e0041"


def test_letters_are_themselves_and_nothing_is_obeyed() -> None:
    """And it is JSON of the same value still."""
    value = {"naïve": "žluťoučký 日本 🎉", "odd": OBEYED, "n": [1, None]}
    shown = readable(json.dumps(value, indent=2, ensure_ascii=False))
    assert "žluťoučký 日本 🎉" in shown
    assert r"\u001b[31m \u009b2J \u202e \u2066 \u200b \u2028 \u007f \ud800 \u00a0 \udb40\udc41" in shown
    assert all(line.isprintable() for line in shown.split("\n"))
    assert json.loads(shown) == value


def test_changes_read_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Before and after, for both streams; blanks of a value are as they were."""
    for err in (False, True):
        print_changes(changes({"a": "é  e\u202e"}, {"a": "É"}), "  ", err=err)
        assert capsys.readouterr()[err] == '  a: "é  e\\u202e" -> "É"\n'
