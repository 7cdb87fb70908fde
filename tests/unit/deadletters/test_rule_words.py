"""What a rule may be made of."""

from __future__ import annotations

import tomllib

from etld.deadletters.rule_words import words
from etld.deadletters.rules import steps
from support.fake_catalog import FakeTypes


def test_every_step_is_there_with_an_example_of_it() -> None:
    """Which reads as a step, but for what is left out of it."""
    told = words(FakeTypes(), ["purchase", "no such type"])
    assert [one["name"] for one in told["steps"]] == list(steps.STEPS)
    for one in told["steps"]:
        assert one["does"].endswith(".")
        assert one["example"].startswith(f"{{ {one['name']} = ")
        if "…" not in one["example"] and not one["example"].endswith('." }'):
            steps.parse(tomllib.loads(f"step = {one['example']}")["step"])
    assert set(told["match"]) == {"event_type", "stage", "error_class", "sqlstate", "message", "where"}
    fields = {one["path"]: one for one in told["fields"]["purchase"]}
    assert fields["event_details.price"]["type"] == "double"
    assert fields["event_details.tags"]["type"] == "list of string"
    assert fields["event_details.size"]["values"] == ["S", "M"]
    assert not fields["event_details.gift"]["needed"]
    assert "no such type" not in told["fields"]
