"""What correctors work by: the bounds of ingest, as of when the event came, and what a reload tells them."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

RULES = [{"name": "cast", "steps": [{"cast": "*"}]}]


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Any:
    """A daemon whose corrector has no rules yet."""
    made = make_daemon()
    made.env["PYTHONPATH"] = os.pathsep.join((str(made.directory), os.environ.get("PYTHONPATH", "")))
    made.configure({"corrector.rules": []})
    with made.running():
        yield EtldClient(made)


def test_an_event_that_came_in_time_can_be_repaired_later(etld: EtldClient) -> None:
    """[ingest] max_age, which a reload tells correctors too, is judged as of when the event came."""
    then = datetime.now(UTC) - timedelta(days=2)
    timely, late, by_hand = ({**purchase(price="2.5"), "triggered_at": then.isoformat()} for _ in range(3))
    for event in (timely, late, by_hand):
        assert etld.track(event)["status"] == "dead_lettered"
        etld.letter(event["event_id"], "parked")
    etld.sql(
        "UPDATE etld.dead_letter SET queued_at = queued_at - interval '2 days' WHERE event_id = ANY(%s::uuid[])",
        [timely["event_id"], by_hand["event_id"]],
    )
    etld.daemon.configure({"corrector.rules": RULES})
    etld.daemon.cli("reload")
    etld.daemon.configure({"ingest.max_age": "1 h"})
    etld.daemon.cli("reload")
    etld.daemon.cli("dlq", "replay", timely["event_id"], late["event_id"])
    etld.letter(timely["event_id"], "resolved")
    assert etld.price(timely["event_id"]) == 2.5
    assert "triggered_at: expected a time at most 3600 s ago" in etld.letter(late["event_id"], "parked")["reason"]
    assert "repaired by cast" in etld.daemon.cli("dlq", "test", "--id", by_hand["event_id"]).stdout
    etld.daemon.cli("dlq", "replay", by_hand["event_id"], "--set", "event_details.price=3.5")
    etld.letter(by_hand["event_id"], "resolved")
    assert etld.price(by_hand["event_id"]) == 3.5


def test_a_hook_that_does_not_import_is_no_successful_reload(etld: EtldClient) -> None:
    """Only the import shows it: the answer says so, and the rules of before are worked by until it is mended."""
    etld.daemon.configure({"ingest.max_age": "0 s", "corrector.rules": RULES})
    etld.daemon.cli("reload")
    module = etld.daemon.directory / "attic.py"
    module.write_text("import no_such_module\n\n\ndef fix(event, error):\n    return event\n")
    etld.daemon.configure({"corrector.rules": [{"name": "attic", "hook": "attic:fix"}]})
    done = etld.daemon.cli("reload", check=False)
    assert done.returncode == 1
    assert "corrector.rules[0].hook" in done.stderr
    assert "no_such_module" in done.stderr
    before = purchase(price="4.5")
    assert etld.track(before)["status"] == "dead_lettered"
    wait_until(lambda: etld.price(before["event_id"]) == 4.5, 30, "the rules of before repair it")
    module.write_text("def fix(event, error):\n    event['event_details']['price'] = 5.5\n    return event\n")
    etld.daemon.cli("reload")
    after = purchase(price="4.5")
    assert etld.track(after)["status"] == "dead_lettered"
    etld.letter(after["event_id"], "resolved")
    assert etld.price(after["event_id"]) == 5.5


def test_repairs_that_the_table_refuses_do_not_stop_live_events(etld: EtldClient) -> None:
    """The breaker counts live records only; a live event behind the failed repairs is stored."""
    etld.daemon.configure({"corrector.rules": RULES, "breaker": {"ratio": 0.5, "window": 10, "retry_after": "0 s"}})
    etld.daemon.cli("reload")
    etld.sql("ALTER TABLE processed_events ADD CONSTRAINT dear CHECK ((event_details ->> 'price')::float8 <= 100)")
    refused = [purchase(price="500") for _ in range(100)]
    etld.send(refused)
    parked = (
        "SELECT count(*) FROM etld.dead_letter WHERE state = 'parked' AND attempts = 2 AND event_id = ANY(%s::uuid[])"
    )
    ids = [event["event_id"] for event in refused]
    wait_until(lambda: etld.sql(parked, ids) == [(100,)], 120, "all were repaired, refused and parked")
    live = purchase()
    assert etld.track(live)["status"] == "success"
    wait_until(lambda: etld.price(live["event_id"]) == 12.5, 60, "the live event is stored")
    wait_until(lambda: etld.daemon.status()["state"] == "ready", 30, "no breaker is open")


def test_what_each_rule_made_of_a_parked_event_is_on_record(etld: EtldClient) -> None:
    """Also when the rules have changed since; `stats` counts it for the rule."""

    def parked(rule: str) -> int:
        found = etld.daemon.json("dlq", "stats")["rules"]
        return sum(int(one["parked"]) for one in found if one["rule"] == rule)

    etld.daemon.configure({"corrector.rules": [{"name": "trim", "steps": [{"trim": "*"}]}]})
    etld.daemon.cli("reload")
    before = parked("trim")
    event = purchase(item_name=" lamp ", price="12,50")
    etld.track(event)
    etld.letter(event["event_id"], "parked")
    etld.daemon.configure({"corrector.rules": RULES})
    etld.daemon.cli("reload")
    (attempt,) = etld.daemon.json("dlq", "show", event["event_id"])["history"]
    (tried,) = attempt["tried"]
    assert (tried["rule"], tried["after"]["event_details"]["item_name"]) == ("trim", "lamp")
    assert tried["problems"] == ['event_details.price: expected a finite number, got "12,50"']
    assert parked("trim") == before + 1
