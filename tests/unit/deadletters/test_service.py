"""What a person does with dead letters, as far as no database is needed: names, states, edits, differences, reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etld.deadletters import by_hand
from etld.deadletters.by_hand import NotReplayed
from etld.deadletters.changes import Change, changes
from etld.deadletters.decode import DecodedLetter
from etld.deadletters.letter_filter import LetterFilter
from etld.deadletters.letters import PendingLetter
from etld.deadletters.repairer import Repairer
from etld.deadletters.reports import trial_report
from etld.deadletters.rules import from_toml
from etld.deadletters.rules.engine import compile_rules
from etld.deadletters.service import DISCARD, REPLAY, bulk_filter, letter_names
from etld.errors import ConfigError, EtldError, UsageError
from etld.schemas.event_schema import EventSchema
from etld.schemas.registry import UnknownSchema
from support.fake_catalog import FakeTypes, event

ID = "00000000-0000-5000-8000-00000000000a"


def letter(**changed: Any) -> PendingLetter:
    return PendingLetter(
        **{
            "id": ID, "event_id": None, "event_type": "purchase", "stage": "VALIDATION", "error_class": "InvalidEvent",
            "error": "wrong", "sqlstate": None, "topic": None, "value": b"", "attempts": 0, "base_attempts": 0,
            "replays": 0, "waits_for": None, "age": 0.0, **changed,
        }
    )  # fmt: skip


def test_names_of_letters() -> None:
    """Whole ids and beginnings, in either case; nothing that could mean all."""
    assert letter_names((ID.upper(), "00aB")) == (ID, "00ab")
    for wrong in ("abc", "%", "", "xyzxyz", ID + "0"):
        with pytest.raises(UsageError, match="not the id of a dead letter"):
            letter_names((wrong,))


def test_a_bulk_action_without_a_state_is_for_parked_letters() -> None:
    """For all that it can be done with when letters are named one by one; and for no other state."""
    for action in (REPLAY, DISCARD):
        assert bulk_filter(action, LetterFilter(), named=False).states == ("parked",)
        assert bulk_filter(action, LetterFilter(), named=True).states == action.states
        assert bulk_filter(action, LetterFilter(states=("parked",)), named=True).states == ("parked",)
        with pytest.raises(UsageError, match="resolved cannot be"):
            bulk_filter(action, LetterFilter(states=("parked", "resolved")), named=True)


def test_changes_are_told_field_by_field() -> None:
    """Values of another type differ though Python takes them for equal; what is not there is a dash."""
    assert changes({"a": {"b": 1, "c": 2}, "d": 1}, {"a": {"b": 1.0, "e": [1]}, "d": 1}) == (
        Change("a.b", "1", "1.0"),
        Change("a.c", "2", "-"),
        Change("a.e", "-", "[1]"),
    )
    assert changes(event(), event()) == ()


def test_an_edit_keeps_the_id_and_has_a_place() -> None:
    """An event without an id takes its letter's; undecodable bytes leave nothing but that."""
    without = {key: value for key, value in event(price="1").items() if key != "event_id"}
    draft = by_hand.draft(letter(), DecodedLetter(without))
    assert draft.event["event_id"] == ID
    edited = by_hand.with_fields(draft, [(("event_details", "price"), 2.5)])
    assert by_hand.problems(draft, edited, FakeTypes()) == ()  # type: ignore[arg-type]
    assert draft.event["event_details"]["price"] == "1"
    other = by_hand.problems(draft, {**edited, "event_id": event()["event_id"]}, FakeTypes())  # type: ignore[arg-type]
    assert other == ("event_id: an event keeps its event_id",)
    with pytest.raises(NotReplayed, match=r"no place for event_name\.x"):
        by_hand.with_fields(draft, [(("event_name", "x"), 1)])
    lost = by_hand.draft(letter(), DecodedLetter(None, "garbage"))
    assert (lost.event, lost.before, lost.undecodable) == ({"event_id": ID}, None, "garbage")


@pytest.mark.parametrize(
    ("found", "outcome", "rule", "problem"),
    [
        (DecodedLetter(event(price="2.5")), "repaired", "cast", None),
        (DecodedLetter(event()), "repaired", "(as it is)", None),
        (DecodedLetter(event(price="much")), "broken", None, "no rule repairs it"),
        (DecodedLetter(None, "garbage"), "broken", None, "garbage"),
        (DecodedLetter({**event(price="2.5"), "event_type": "order"}), "unmatched", None, None),
    ],
)
def test_what_a_trial_says(found: DecodedLetter, outcome: str, rule: str | None, problem: str | None) -> None:
    """Repaired by which rule, broken why, or not what the rule is for."""
    rules = compile_rules([{"name": "cast", "match": {"event_type": "purchase"}, "steps": [{"cast": "*"}]}])
    got = trial_report(letter(event_type=None), found, rules, FakeTypes(), only_matching=True)
    assert (got.outcome, got.rule) == (outcome, rule)
    assert (got.problem or "").startswith(problem or "")
    assert got.as_json()["ok"] == (outcome == "repaired")


def test_rules_of_a_file_have_their_lines() -> None:
    """Under either heading; every mistake with its line; and a file of something else is no rules."""
    for heading in ("corrector.rules", "rules"):
        text = f'[[{heading}]]\nname = "a"\nsteps = [{{ cast = "*" }}]\n'
        assert from_toml.read(text, Path("f.toml")) == [{"name": "a", "steps": [{"cast": "*"}]}]
        with pytest.raises(ConfigError, match=rf"f\.toml:6: {heading}\[1\]\.steps\[0\]\.trin: unknown step"):
            from_toml.read(f'{text}[[{heading}]]\nname = "b"\nsteps = [{{ trin = "*" }}]\n', Path("f.toml"))
    for nothing in ("x = 1", "rules = 7", "[corrector]\nrules = []"):
        with pytest.raises(EtldError, match="has no rules"):
            from_toml.read(nothing, Path("f.toml"))
    with pytest.raises(EtldError, match=r"f\.toml:1: not TOML"):
        from_toml.read("= 1", Path("f.toml"))


def test_bytes_that_ended_processes_are_not_decoded_again() -> None:
    """Not by the corrector, nor by a command; a letter that died later than that is read as ever."""
    asked: list[object] = []

    def registry(known: object) -> EventSchema:
        asked.append(known)
        raise UnknownSchema(7)

    repairer = Repairer((), FakeTypes(), registry)  # type: ignore[arg-type]
    killer = letter(
        value=b"\0\0\0\0\7body", error_class="WORKER_KILLED", stage="VALUE_CONVERTER", error="it ends the process"
    )
    assert repairer.decode(killer) == DecodedLetter(None, "not decoded: it ends the process")
    assert asked == []
    assert repairer.decode(replace(killer, stage="TRANSFORM")).waits_for == 7
    assert asked == [7]
