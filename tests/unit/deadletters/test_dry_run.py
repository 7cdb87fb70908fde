"""A dry run in numbers."""

from __future__ import annotations

from typing import Any

from etld.deadletters.dry_run import OTHER, DryRun
from etld.deadletters.letters import PendingLetter
from etld.deadletters.reports import TrialReport

LETTER = PendingLetter("1", None, "purchase", "VALIDATION", "X", "wrong", None, None, b"", 0, 0, 0, None, 0.0)


def broken(problem: str) -> TrialReport:
    return TrialReport(LETTER, "broken", None, problem)


def test_letters_that_fail_alike_are_one_reason() -> None:
    """Whatever came, and however often rules were named."""
    run = DryRun(5)
    run.add(broken('no rule repairs it (tried comma): event_details.price: expected double, got "a 1"'))
    run.add(broken('no rule matches: event_details.price: expected double, got "b; c, got d"'))
    run.add(broken("no rule matches: row 17 is wrong"))
    run.add(TrialReport(LETTER, "repaired", "comma", None, {"price": "1"}, {"price": "1" * 2000}))
    run.add(TrialReport(LETTER, "unmatched"))
    told = run.as_json()
    assert (told["total"], told["tested"], told["repaired"], told["broken"], told["unmatched"]) == (5, 5, 1, 3, 1)
    assert told["reasons"] == [
        {"reason": "event_details.price: expected double", "letters": 2},
        {"reason": "row # is wrong", "letters": 1},
    ]
    repaired = told["samples"][-1]
    assert (repaired["rule"], repaired["reason"], len(repaired["changes"][0]["after"])) == ("comma", None, 500)


def test_it_keeps_little_of_many() -> None:
    """Five samples of a kind, two hundred reasons; the rest is counted together."""
    run = DryRun(1000)
    words = [f"{chr(97 + first)}{chr(97 + second)}" for first in range(26) for second in range(26)]
    for word in words:
        for _ in range(6):
            run.add(broken(f"no rule matches: {word}"))
    told: dict[str, Any] = run.as_json()
    assert len(told["reasons"]) == 201
    assert told["reasons"][0] == {"reason": OTHER, "letters": 6 * (676 - 200)}
    assert len(told["samples"]) == 5 * 201
    assert "samples" not in run.as_json(samples=False)
