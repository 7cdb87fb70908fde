"""Rules: which letters they match, in which order they win, and how mistakes are reported."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from etld.deadletters.failure import Failure
from etld.deadletters.rules.engine import check, compile_rules, correct
from etld.deadletters.rules.match import Match
from support.fake_catalog import FakeTypes, event

if TYPE_CHECKING:
    from pathlib import Path

FAILED = Failure("TASK_PUT", "CheckViolation", 'violates check constraint "price"', "23514", "purchase")
# Tries every way to cut the text into ones and twos before it gives up.
EVIL, ENDLESS = r"(a|aa)+$", "a" * 60 + "!"


def rules(*given: dict[str, Any]) -> Any:
    return compile_rules([{"name": f"rule {index}", **rule} for index, rule in enumerate(given)])


def test_the_first_valid_result_wins(types: FakeTypes) -> None:
    """Later rules are not tried; the ones before are on record with their problems."""
    three = rules({"steps": [{"trim": "*"}]}, {"steps": [{"cast": "*"}]}, {"steps": [{"drop_field": "*"}]})
    tried = correct(three, event(price="12.5"), FAILED, types)
    assert [(t.rule, t.good) for t in tried] == [("rule 0", False), ("rule 1", True)]
    assert tried[0].problems == ("event_details.price: expected double",)
    assert tried[1].event == event()


def test_the_event_given_is_not_changed(types: FakeTypes) -> None:
    """A rule works on a copy."""
    broken = event(price="12.5")
    correct(rules({"steps": [{"cast": "*"}]}), broken, FAILED, types)
    assert broken == event(price="12.5")


def test_what_failed_before_is_no_repair(types: FakeTypes) -> None:
    """The next rule has its chance."""
    two = rules(
        {"steps": [{"cast": "*"}]}, {"steps": [{"cast": "*"}, {"clamp": {"field": "event_details.price", "max": 10.0}}]}
    )
    tried = correct(two, event(price="12.5"), FAILED, types, known=[event()])
    assert [t.good for t in tried] == [False, True]
    assert tried[1].event == event(price=10.0)


def test_what_python_takes_for_equal_is_a_repair(types: FakeTypes) -> None:
    """7.0 is no integer to a schema, nor is true."""
    for broken in (event(item_id=7.0), event(gift=1)):
        last = correct(rules({"steps": [{"cast": "*"}]}), broken, FAILED, types, known=[broken])[-1]
        assert last.problems == ()


def test_steps_see_the_type_that_earlier_steps_gave(types: FakeTypes) -> None:
    """An event type in capitals has no schema until it is lowered."""
    broken = {**event(price="12.5"), "event_type": "PURCHASE"}
    (tried,) = correct(rules({"steps": [{"lower": "event_type"}, {"cast": "*"}]}), broken, FAILED, types)
    assert tried.event == event()


@pytest.mark.parametrize(
    ("match", "wanted"),
    [
        ({}, True),
        ({"event_type": "purchase"}, True),
        ({"event_type": ["order", "purchase"]}, True),
        ({"event_type": "PURCHASE"}, False),
        ({"stage": "task_put"}, True),
        ({"error_class": "Check*"}, True),
        ({"error_class": "Unknown"}, False),
        ({"sqlstate": "23514"}, True),
        ({"sqlstate": ["22", "23"]}, True),
        ({"sqlstate": "42"}, False),
        ({"message": "check constraint"}, True),
        ({"message": "^check"}, False),
        ({"where": {"event_details.price": 12.5}}, True),
        ({"where": {"event_details.price": "12.5"}}, False),
        ({"where": {"event_details.item_id": True}}, False),
        ({"where": {"event_details.price": {"above": 10, "below": 13}}}, True),
        ({"where": {"event_details.price": {"above": 13}}}, False),
        ({"where": {"event_details.carrier": {"exists": False}}}, True),
        ({"where": {"event_details.carrier": {"type": "missing"}}}, True),
        ({"where": {"event_details.item_name": {"matches": "^la", "in": ["lamp", "bulb"]}}}, True),
        ({"where": {"event_details.item_name": {"type": "integer"}}}, False),
        ({"sqlstate": "23514", "message": "nothing like it"}, False),
    ],
)
def test_match(match: dict[str, Any], wanted: bool) -> None:
    """All that is named has to hold."""
    assert Match.parse(match).matches(event(), FAILED) is wanted


def test_match_takes_any_json() -> None:
    """Also when the letter is not even an object."""
    assert not Match.parse({"where": {"a.b": {"exists": True}}}).matches([1], FAILED)


def test_hooks(types: FakeTypes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook repairs, gives up, breaks, or meddles with the id."""
    (tmp_path / "etld_test_hooks.py").write_text(
        "def repair(event, error):\n"
        "    event['event_details']['price'] = 12.5 if error.sqlstate == '23514' else 0.0\n"
        "    return event\n"
        "def give_up(event, error):\n    return None\n"
        "def fail(event, error):\n    raise KeyError('x')\n"
        "def meddle(event, error):\n    return {**event, 'event_id': 'other'}\n"
        "def nonsense(event, error):\n    return 7\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    names = ["give_up", "fail", "meddle", "nonsense", "repair"]
    given = [{"name": name, "hook": f"etld_test_hooks:{name}"} for name in names]
    assert check(given) == []
    tried = correct(compile_rules(given), event(price="x"), FAILED, types)
    assert [t.problems for t in tried] == [
        ("the hook has no repair",),
        ("KeyError: 'x'",),
        ("the rule changed event_id, which no rule may",),
        ("ValueError: the hook returned 7, expected an event or None",),
        (),
    ]
    assert tried[-1].event == event()
    sys.modules.pop("etld_test_hooks")
    assert check([{"name": "a", "hook": "etld_test_hooks:none"}]) == [
        ("corrector.rules[0].hook", "the module 'etld_test_hooks' has no function 'none'")
    ]
    assert "etld_test_hooks" not in sys.modules


def test_every_mistake_is_reported_with_its_path() -> None:
    """Not only the first one."""
    wrong = [
        {"name": "a", "steps": [{"cast": "*"}, {"trin": "*"}, {"clamp": {"field": "x"}}], "match": {"sqlstate": "x"}},
        {"name": "a", "steps": []},
        {"name": "", "hook": "no such:thing", "step": []},
        {"name": "b", "hook": "etld_no_such_module:f", "match": {"where": {"a.b": {"typ": "text"}}}},
        {"name": "c", "steps": "cast"},
    ]
    assert [path for path, _ in check(wrong)] == [
        "corrector.rules[0].steps[1].trin",
        "corrector.rules[0].steps[2].clamp",
        "corrector.rules[0].match.sqlstate",
        "corrector.rules[1].name",
        "corrector.rules[1].steps",
        "corrector.rules[2].step",
        "corrector.rules[2].name",
        "corrector.rules[2].hook",
        'corrector.rules[3].match.where."a.b".typ',
        "corrector.rules[3].hook",
        "corrector.rules[4].steps",
    ]


def test_the_shipped_rules_are_right() -> None:
    """config/etld.toml brings cast, trim and parse_date."""
    import tomllib
    from pathlib import Path

    text = (Path(__file__).parents[3] / "config" / "etld.toml").read_text()
    shipped = tomllib.loads(text)["corrector"]["rules"]
    assert check(shipped) == []
    assert [rule["name"] for rule in shipped] == ["cast", "trim", "parse_date"]


@pytest.mark.parametrize(
    "broken",
    [
        event(price="12.50"),
        event(price="7"),
        event(item_name=7),
        {**event(), "user_details": {"user_id": "7"}},
        {**event(), "event_name": "added_to_cart "},
        event(price=" 12.5 "),
        {**event(), "triggered_at": "2026/12/31"},
        {**event(), "triggered_at": 1798675200000},
        {**event(price="1.0"), "triggered_at": " 2026.12.31 14:05 "},
    ],
)
def test_the_shipped_rules_repair_what_their_names_say(broken: dict[str, Any], types: FakeTypes) -> None:
    """Each of these is valid after one of the three."""
    import tomllib
    from pathlib import Path

    text = (Path(__file__).parents[3] / "config" / "etld.toml").read_text()
    tried = correct(compile_rules(tomllib.loads(text)["corrector"]["rules"]), broken, FAILED, types)
    assert tried[-1].good


def test_the_shipped_rules_do_not_guess_which_is_the_month(types: FakeTypes) -> None:
    """A date that two countries read differently is for the user to decide."""
    import tomllib
    from pathlib import Path

    text = (Path(__file__).parents[3] / "config" / "etld.toml").read_text()
    shipped = compile_rules(tomllib.loads(text)["corrector"]["rules"])
    for written in ("01/02/2026", "31/12/2026"):
        tried = correct(shipped, {**event(), "triggered_at": written}, FAILED, types)
        assert [one.good for one in tried] == [False] * len(shipped)


def test_a_stage_that_is_none_is_a_mistake() -> None:
    """Such a rule would match nothing, without a word."""
    assert check([{"name": "a", "match": {"stage": "VALDIATION"}, "steps": [{"trim": "*"}]}]) == [
        ("corrector.rules[0].match.stage", "unknown stage 'VALDIATION'; did you mean 'VALIDATION'?")
    ]
    assert check([{"name": "a", "match": {"stage": ["unknown", "task_put"]}, "steps": [{"trim": "*"}]}]) == []


@pytest.mark.parametrize(
    "evil",
    [
        {"steps": [{"regex_replace": {"field": "event_details.item_name", "pattern": EVIL, "replace": ""}}]},
        {"match": {"where": {"event_details.item_name": {"matches": EVIL}}}, "steps": [{"cast": "*"}]},
        {"match": {"message": EVIL}, "steps": [{"cast": "*"}]},
    ],
)
def test_an_expression_that_does_not_end_is_a_rule_that_does_not_help(evil: dict[str, Any], types: FakeTypes) -> None:
    """It is stopped, other threads run meanwhile, the reason is on record, and the next rule has its turn."""
    turns = [0]
    over = threading.Event()

    def turn() -> None:
        while not over.wait(0.01):
            turns[0] += 1

    other = threading.Thread(target=turn)
    other.start()
    try:
        failure = replace(FAILED, message=ENDLESS)
        tried = correct(rules(evil, {"steps": [{"cast": "*"}]}), event(item_name=ENDLESS, price="12.5"), failure, types)
    finally:
        over.set()
        other.join()
    assert [one.good for one in tried] == [False, True]
    assert tried[0].problems == (f"the regular expression {EVIL!r} did not come to an end within 0.5 s",)
    assert turns[0] > 5
