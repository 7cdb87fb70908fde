"""From a group of dead letters to rows: five clicks in the console, by a browser without scripts."""

from __future__ import annotations

import json
import os
import time
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from etld.util.ports import free_port
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import event, purchase
from support.plain_browser import PlainBrowser
from support.waiting import wait_until

pytestmark = pytest.mark.integration

EACH = int(os.environ.get("ETLD_LETTERS", "300")) // 3
EVIL = "<script>alert(1)</script>\u202e'; DROP TABLE etld.dead_letter; --"


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Any:
    """A daemon without rules, and with a directory for them."""
    made = make_daemon()
    (made.directory / "rules").mkdir(mode=0o755)
    console = {"console.enabled": True, "console.port": free_port()}
    made.configure({"corrector.rules": [], "corrector.rules_dir": "./rules", **console})
    with made.running():
        yield EtldClient(made)


@pytest.fixture
def browser(etld: EtldClient) -> PlainBrowser:
    """At its console."""
    return PlainBrowser(etld.daemon.status()["addresses"]["console"])


def test_five_clicks(etld: EtldClient, browser: PlainBrowser) -> None:
    """Letters of three kinds, one rule: each is a row in the end, and who did what is in the audit."""
    prices = ("12,5", "1.234,50", "€ 7")
    sent = [purchase(item_id=at, price=price) for price in prices for at in range(EACH)]
    other = event("order", {"order_value": "x"})
    etld.send([*sent, other])
    wait_until(lambda: etld.states() == {"parked": len(sent) + 1}, 120, "all are parked")

    began = time.monotonic()
    group = browser.get(browser.get("/dead-letters", {"type": "purchase"}).link("event_details.price"))
    assert f"Letters: {len(sent):,}. Kinds of error: 1." in group.text
    bench = browser.get(group.link("Write a rule"))
    form = bench.form("/actions/rules/try")
    assert 'parse_number = "event_details.price"' in form.values["rule"]
    tried = browser.send(form, "/actions/rules/try")
    assert tried.status == 200, tried.text

    def told() -> dict[str, Any]:
        with urllib.request.urlopen(tried.url.replace("/rules?", "/api/v1/rules?"), timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    wait_until(lambda: told()["run"]["state"] == "done", 120, "the dry run is over")
    run = told()["run"]
    assert (run["repaired"], run["broken"], run["unmatched"]) == (len(sent), 0, 0)
    assert run["samples"][0]["changes"][0]["path"] == "event_details.price"
    assert etld.states() == {"parked": len(sent) + 1}
    done = browser.get(tried.url)
    assert f"{len(sent):,} of {len(sent):,} tried" in done.text
    applied = browser.send(done.form("/actions/rules/apply"), "/actions/rules/apply")
    assert f"replays {len(sent)}." in applied.text
    wait_until(lambda: told()["states"]["resolved"] == len(sent), 180, "all are resolved")
    print(f"five clicks with {len(sent):,} letters: {time.monotonic() - began:.1f} s, dry run {run['seconds']} s")

    assert etld.stored(*(one["event_id"] for one in sent)) == len(sent)
    (rule,) = (json.loads(line) for line in etld.daemon.cli("dlq", "rules", "list", "--json").stdout.splitlines())
    assert (rule["name"], rule["repaired"]) == ("purchase_price", len(sent))
    noted = "SELECT action, who, outcome FROM etld.audit ORDER BY id"
    assert [row[0] for row in etld.sql(noted)] == ["rules/try", "rules/apply"]
    assert {row[2] for row in etld.sql(noted)} == {"done"}


def test_all_that_match_are_discarded_with_a_reason(etld: EtldClient, browser: PlainBrowser) -> None:
    """Shown before, asked for once, told as a job, and taken back by a replay; a reason is needed."""
    wrong = [purchase(price=f"discard {at}") for at in range(3)]
    etld.send(wrong)
    for one in wrong:
        etld.letter(one["event_id"], "parked")
    page = browser.get("/dead-letters", {"text": "discard"})
    preview = browser.get(page.link("Discard all that match"))
    assert "Discard all that match: 3?" in preview.text
    form = preview.form("/actions/dead-letters/discard")
    assert "reason is missing" in browser.send(form, "/actions/dead-letters/discard").text
    after = browser.send(form, "/actions/dead-letters/discard", reason="a test")
    assert "discard 3." in after.text
    for one in wrong:
        assert etld.letter(one["event_id"], "discarded")["reason"] == "a test"
    wait_until(lambda: etld.jobs(1)[0]["state"] == "done", 30, "the job is done")
    assert etld.jobs(1)[0]["asked_by"] == "local"
    assert "Discard: 3 of 3, done." in browser.get("/dead-letters").text


def test_what_comes_is_shown_and_never_obeyed(etld: EtldClient, browser: PlainBrowser) -> None:
    """Marks of every field, a megabyte, words of SQL and of HTML in filters."""
    evil = purchase(item_name=EVIL, price=EVIL, email="javascript:alert(1)")
    evil["user_details"] = {"user_id": EVIL, "name": EVIL}
    large = purchase(price="x" * 900_000)
    etld.track(evil)
    etld.queue(large)  # ingest takes none that is so large
    for one in (evil, large):
        etld.letter(one["event_id"], "parked")
    letter = etld.letter(evil["event_id"], "parked")["id"]
    for path in (
        "/dead-letters",
        f"/dead-letters/{letter}",
        f"/rules?id={letter}",
        f"/dead-letters?text={'%3Cscript%3E'}",
    ):
        seen = browser.get(path)
        assert seen.status == 200, seen.text
        assert "<script>alert" not in seen.html
        assert 'href="javascript:' not in seen.html
    assert "alert(1)" in browser.get(f"/dead-letters/{letter}").text
    mended = browser.get(f"/dead-letters/{letter}").form("/actions/letter/replay")
    sent = {**json.loads(mended.values["event"]), "event_details": {"item_id": 1, "item_name": EVIL, "price": 7.5}}
    done = browser.send(mended, "/actions/letter/replay", event=json.dumps(sent), reason="a test")
    assert "not valid" in done.text or "user_details" in done.text, done.text  # the user_id is a script yet
    sent["user_details"] = purchase()["user_details"]
    done = browser.send(mended, "/actions/letter/replay", event=json.dumps(sent), reason="a test")
    assert "is sent with this event" in done.text, done.text
    etld.letter(evil["event_id"], "resolved")
    assert etld.price(evil["event_id"]) == 7.5
    large_letter = browser.get(f"/dead-letters/{large['event_id']}")
    assert large_letter.status == 200
    assert "more bytes" in large_letter.text
    assert len(large_letter.html) < 300_000
    assert browser.get("/dead-letters").status == 200
    for wrong in ("state=x'", "group=1%20OR%201", "error=(", "since=soon", "text=%00", "id=%25", "after=%27"):
        assert browser.get(f"/dead-letters?{wrong}").status in (400, 503), wrong
    assert "No dead letter matches" in browser.get("/dead-letters", {"text": "' OR 1=1 --"}).text
    assert browser.get("/dead-letters/../../etc/passwd").status == 404
    assert browser.get(f"/dead-letters/{uuid.uuid4()}").status == 400
    bench = browser.get("/rules").form("/actions/rules/apply")
    for name in ("../../evil", "/etc/cron.d/evil", ".hidden"):
        text = f'name = "{name}"\nmatch = {{ message = "nothing" }}\nsteps = [{{ trim = "*" }}]\n'
        browser.send(bench, "/actions/rules/apply", rule=text)
    files = {path.name for path in (etld.daemon.directory / "rules").iterdir()}
    assert files >= {"evil.toml", "etc-cron-d-evil.toml", "hidden.toml"}
    assert not (etld.daemon.directory.parent / "evil.toml").exists()
    refused = browser.send(bench, "/actions/rules/try", rule='name = "x"\nsteps = [{ trin = "*" }]\n')
    assert "did you mean 'trim'" in refused.text
