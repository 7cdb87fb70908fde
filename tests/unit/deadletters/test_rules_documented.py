"""The rules file of the docs, on real schemas: ten kinds of broken events, each repaired to the right event."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etld.config import load
from etld.deadletters.failure import Failure
from etld.deadletters.repair_types import RepairTypes
from etld.deadletters.rules import steps
from etld.deadletters.rules.engine import check, compile_rules, correct
from etld.errors import EtldError
from etld.schemas import catalog as catalogs
from etld.serdes.avro import wire
from etld.serdes.avro.codec import codec_of
from support.broken_events import KINDS, pairs

ROOT = Path(__file__).resolve().parents[3]
DOCS = (ROOT / "docs" / "corrector.md").read_text()
TEXT = re.findall(r"```toml\n(# rules\.toml.*?)```", DOCS, re.DOTALL)[0]
RULES = tomllib.loads(TEXT)["corrector"]["rules"]


@pytest.fixture(scope="module")
def catalog() -> RepairTypes:
    """The shipped event types, by their schema files."""
    return RepairTypes(
        catalogs.of_registered_and_files(load(ROOT / "config" / "etld.toml", {"ETLD_STATE_DIR": "/nowhere"}))
    )


def utc(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "triggered_at": event["triggered_at"].replace("+00:00", "").removesuffix("Z")}


def test_the_ten_kinds(catalog: RepairTypes) -> None:
    """Each is invalid, and the first rule whose result is valid makes the right event of it."""
    rules = compile_rules(RULES)
    assert check(RULES) == []
    used = set()
    for broken, right in pairs(3):
        problems = catalog.problems(broken)
        assert problems
        failure = Failure("VALIDATION", "InvalidEvent", "; ".join(problems), None, broken["event_type"])
        last = correct(rules, broken, failure, catalog)[-1]
        assert last.problems == ()
        assert last.event is not None
        assert utc(last.event) == utc(right)
        used.add(last.rule)
    assert len(pairs(3)) == 3 * len(KINDS) == 30
    assert used == {"cast", "trim", "parse_date", "decimal_comma", "case", "nesting", "spelling", "carrier", "null"}


def test_the_rules_of_the_readme() -> None:
    """Its one example of a configuration has no mistake in them."""
    text = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    rules = tomllib.loads(text)["corrector"]["rules"]
    assert rules
    assert check(rules) == []


def test_every_step_has_its_line_in_the_docs() -> None:
    """The first line of its docstring."""
    for name in steps.STEPS:
        first, *_ = (steps.STEPS[name].__doc__ or "").strip().splitlines()
        assert f"| `{name}` | {first} |" in DOCS


def test_every_example_of_a_step_does_what_the_docs_say(catalog: RepairTypes) -> None:
    """Each block of three lines: the step, an event, the event after it."""
    (block,) = re.findall(r"```text\n(\{ cast.*?)```", DOCS, re.DOTALL)
    shown = set()
    for example in block.strip().split("\n\n"):
        step, before, after = example.splitlines()
        given = tomllib.loads(f"step = {step}")["step"]
        event = json.loads(before)
        steps.parse(given).apply(event, catalog.shape(event.get("event_type", "purchase")))
        assert event == json.loads(after), step
        shown |= set(given)
    assert shown == set(steps.STEPS)


def test_several_mistakes_at_once(catalog: RepairTypes) -> None:
    """The last rule of the file."""
    (_, right) = pairs(1)[0]
    details = {"item_id": "1", "Item-Name": " lamp 1 ", "price": "1,5"}
    broken = {
        "data": {
            **{key: value for key, value in right.items() if key != "event_details"},
            "event_type": "Purchase ",
            "triggered_at": 1764000000000,
            "event_details": {"event_details": details},
        },
        "event_id": right["event_id"],
    }
    last = correct(compile_rules(RULES), broken, Failure("VALIDATION", "InvalidEvent", "", None, None), catalog)[-1]
    assert (last.rule, last.problems) == ("several", ())
    assert last.event is not None
    assert last.event["event_details"] == right["event_details"]


def registered(catalog: RepairTypes) -> RepairTypes:
    """The same event types with an id for the schema of each."""
    return RepairTypes(catalogs.Catalog({kind.name: replace(kind, schema_id=7) for kind in catalog._catalog}))


def test_a_repair_is_the_event_in_avro(catalog: RepairTypes) -> None:
    """Topic, key and value; not before the schema has an id."""
    (_, right) = pairs(1)[0]
    with pytest.raises(EtldError, match="not registered"):
        catalog.repair(right)
    types = {kind.name: replace(kind, schema_id=7) for kind in catalog._catalog}
    made = registered(catalog).repair(right)
    assert (made.topic, made.key) == ("event_purchase", right["event_id"])
    schema_id, body = wire.unpack(made.value)
    schema = types["purchase"].schema
    assert schema_id == 7
    assert codec_of(schema).to_json(codec_of(schema).decode(body))["event_details"] == right["event_details"]


def test_what_is_stored_of_two_spellings_is_the_same(catalog: RepairTypes) -> None:
    """Of a time and of a number, also before the schema has an id; but not of two values."""
    (_, right) = pairs(1)[0]
    details = right["event_details"]
    same = [
        {**right, "triggered_at": "2026-11-24T10:00:00Z", "event_details": {**details, "price": 7}},
        {**right, "triggered_at": "2026-11-24T12:00:00.000+02:00", "event_details": {**details, "price": 7.0}},
    ]
    for types in (catalog, registered(catalog)):
        assert len({types.stored(one) for one in same}) == 1
        assert types.stored({**same[0], "triggered_at": "2026-11-24T10:00:01Z"}) != types.stored(same[0])
        assert types.stored({**same[0], "event_details": {**details, "price": 7.5}}) != types.stored(same[0])


def test_unknown_types_are_named(catalog: RepairTypes) -> None:
    """With the ones there are."""
    for kind in ("PURCHASE", None, 7, ["purchase"]):
        assert "delivery, order, purchase" in catalog.problems({"event_type": kind})[0]
    assert catalog.of_topic("event_order") == "order"
    assert catalog.of_topic(None) is None
