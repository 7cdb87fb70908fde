"""Hooks that misbehave, letters that give up, what a transform leaves out, and what becomes of old letters."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

HOOKS = """
import sys
import time

import polars as pl


def fail(event, error):
    raise LookupError("no such item")


def give_up(event, error):
    return None


def meddle(event, error):
    return {**event, "event_id": "00000000-0000-4000-8000-000000000000"}


def leave(event, error):
    sys.exit("enough")


def hang(event, error):
    time.sleep(3600)


def dearer(event, error):
    event["event_details"]["price"] += 1
    return event


def transform(frame):
    return frame.with_columns(etld_drop=pl.col("event_details").struct.field("item_name") == "left out")
"""
NAMED = ("fail", "give_up", "meddle", "leave", "hang")
RULES = [
    *({"name": name, "match": {"where": {"user_details.name": name}}, "hook": f"shop:{name}"} for name in NAMED),
    {
        "name": "endless",
        "match": {"where": {"user_details.name": "endless"}},
        "steps": [{"regex_replace": {"field": "user_details.email", "pattern": "(a|aa)+$", "replace": ""}}],
    },
    {"name": "dearer", "match": {"sqlstate": "23514"}, "hook": "shop:dearer"},
    {"name": "cast", "match": {"where": {"user_details.name": {"type": "missing"}}}, "steps": [{"cast": "*"}]},
    {"name": "nesting", "steps": [{"unwrap": "*"}, {"rename": "*"}]},
]
LEFT_OUT = purchase(item_name="left out", price="7")


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Any:
    """A daemon with the hooks, and a table that refuses the prices 0, 1 and 2 for reasons of their own."""
    made = make_daemon()
    made.directory.joinpath("shop.py").write_text(HOOKS)
    made.env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(made.directory), made.env.get("PYTHONPATH"))))
    made.configure({"corrector.rules": RULES, "event_types.purchase.transform": "shop:transform"})
    with made.running():
        found = EtldClient(made)
        for number, name in enumerate(("free", "cheap", "lowest")):
            found.sql(
                f"ALTER TABLE processed_events ADD CONSTRAINT {name}"
                f" CHECK ((event_details ->> 'price')::float8 <> {number})"
            )
        found.track(LEFT_OUT)
        yield found


def named(name: str) -> dict[str, Any]:
    return {**purchase(price="12,50"), "user_details": {"user_id": 7, "name": name}}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fail", "fail: LookupError: no such item"),
        ("give_up", "give_up: the hook has no repair"),
        ("leave", "leave: HookEnded: SystemExit: enough"),
        ("meddle", "meddle: the rule changed event_id, which no rule may"),
    ],
)
def test_a_hook_that_does_not_repair_parks_with_its_reason(etld: EtldClient, name: str, words: str) -> None:
    """And the event is where it was."""
    event = named(name)
    etld.track(event)
    letter = etld.letter(event["event_id"], "parked")
    assert words in letter["reason"]
    assert letter["event"] == event
    assert etld.price(event["event_id"]) is None


def test_a_hook_that_hangs_holds_nobody_up_for_long(etld: EtldClient) -> None:
    """It gets its time for each; the worker and the letters behind them go on."""
    before = etld.daemon.worker("corrector-0")
    first, second, other = named("hang"), named("hang"), purchase(price="3.5")
    for event in (first, other, second):
        etld.track(event)
    for event in (first, second):
        assert "shop:hang did not return within 10 s" in etld.letter(event["event_id"], "parked")["reason"]
    etld.letter(other["event_id"], "resolved")
    after = etld.daemon.worker("corrector-0")
    assert (after["pid"], after["restarts"]) == (before["pid"], before["restarts"])


def test_an_expression_that_does_not_end_parks_its_letter(etld: EtldClient) -> None:
    """In the worker that goes on with the letters behind it."""
    before = etld.daemon.worker("corrector-0")
    event, other = named("endless"), purchase(price="3.5")
    event["user_details"]["email"] = "a" * 60 + "!"
    etld.track(event)
    etld.track(other)
    letter = etld.letter(event["event_id"], "parked")
    assert "endless: the regular expression '(a|aa)+$' did not come to an end within 0.5 s" in letter["reason"]
    etld.letter(other["event_id"], "resolved")
    assert etld.daemon.worker("corrector-0")["pid"] == before["pid"]


def test_a_letter_that_fails_ever_otherwise_parks_after_max_attempts(etld: EtldClient) -> None:
    """Three repairs, three different refusals; what a fourth would do nobody knows."""
    event = purchase(price="0")
    etld.track(event)
    letter = etld.letter(event["event_id"], "parked")
    assert "failed 3 times (corrector.max_attempts)" in letter["reason"]
    assert [(one["rule"], one["outcome"]) for one in letter["history"]] == [
        ("cast", "failed"),
        ("dearer", "failed"),
        ("dearer", "failed"),
    ]
    assert etld.price(event["event_id"]) is None


def test_an_idempotency_key_names_the_event_of_a_letter(etld: EtldClient) -> None:
    """A client that sends its broken event again gets the same id, one letter and one row."""
    broken = {key: value for key, value in purchase(price="4.5").items() if key != "event_id"}
    key = f"cart-{uuid.uuid4()}"
    answers = [etld.track(broken, Idempotency_Key=key) for _ in range(2)]
    assert [answer["status"] for answer in answers] == ["dead_lettered"] * 2
    event_id = answers[0]["event_id"]
    assert answers[1]["event_id"] == event_id
    etld.letter(event_id, "resolved")
    assert etld.price(event_id) == 4.5
    whole = {**broken, "event_details": {**broken["event_details"], "price": 4.5}}
    assert etld.track(whole, Idempotency_Key=key)["event_id"] == event_id


@pytest.mark.parametrize("envelope", ["event", "properties", "event_details", "data"])
def test_the_id_of_a_wrapped_event_is_its_id(etld: EtldClient, envelope: str) -> None:
    """Sent again, wrapped or not, it is the same event."""
    event = purchase(price=5.5)
    for _ in range(2):
        assert etld.track({envelope: event})["event_id"] == event["event_id"]
    etld.letter(event["event_id"], "resolved")
    assert etld.price(event["event_id"]) == 5.5


@pytest.mark.slow
def test_a_repair_that_a_transform_leaves_out_is_resolved(etld: EtldClient) -> None:
    """Also while other events keep the processor busy; the books balance."""

    def busy() -> bool:
        etld.track(purchase())
        return etld.sql("SELECT state FROM etld.dead_letter WHERE event_id = %s", LEFT_OUT["event_id"]) == [
            ("resolved",)
        ]

    wait_until(busy, 120, "the letter is resolved", interval=0.5)
    letter = etld.letter(LEFT_OUT["event_id"], "resolved")
    assert letter["reason"] == "the transform of its event type left it out"
    assert letter["history"][-1]["outcome"] == "filtered"
    assert etld.price(LEFT_OUT["event_id"]) is None
    wait_until(lambda: etld.daemon.json("reconcile", check=False)["in_flight"] == 0, 30, "nothing is in flight")
    report = etld.daemon.json("reconcile", check=False)
    assert [line for line in report["differences"] if "summary" not in line] == []


@pytest.mark.slow
def test_old_resolved_letters_are_deleted_and_still_counted(etld: EtldClient) -> None:
    """Parked ones stay, and so do totals."""
    before = etld.states()
    totals = etld.daemon.status()["totals"]
    etld.daemon.configure({"corrector.keep_resolved": "1 s"})
    etld.daemon.cli("reload")
    wait_until(lambda: "resolved" not in etld.states(), 60, "they are deleted")
    assert etld.states() == {"parked": before["parked"]}
    assert etld.sql("SELECT count(*) FROM etld.dead_letter_attempt a LEFT JOIN etld.dead_letter d"
                     " ON d.id = a.dead_letter_id WHERE d.id IS NULL") == [(0,)]  # fmt: skip
    after = etld.daemon.status()["totals"]
    assert {name: after[name] for name in ("dead", "repaired", "parked")} == {
        name: totals[name] for name in ("dead", "repaired", "parked")
    }
    report = etld.daemon.json("reconcile", check=False)
    assert [line for line in report["differences"] if "summary" not in line] == []
