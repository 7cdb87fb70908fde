"""Events, summaries, schemas and the configuration in the console, of a daemon with all its parts."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import tomli_w

from etld.console.access.users import digest
from etld.util.ports import free_port
from support.browser import Browser
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

NASTY = "<script>alert(1)</script>\u202eevil"
HUGE = 2**53 + 1
PASSWORD = "a long one"
USERS = {"vera": "viewer", "otto": "operator", "ada": "admin"}


def logged_in(base: str, name: str) -> Browser:
    """Somebody's browser."""
    browser = Browser(base)
    assert browser.post("/log-in", {"name": name, "password": PASSWORD}).status == 303
    return browser


def page(browser: Browser, path: str) -> str:
    """A page that is there."""
    answer = browser.get(path)
    assert answer.status == 200, answer.text
    return answer.text


def told(browser: Browser, path: str, **values: str) -> Any:
    """Its JSON."""
    return json.loads(page(browser, f"/api/v1{path}?{urlencode(values)}"))


@pytest.fixture(scope="module")
def shown(make_daemon: Callable[[], Daemon]) -> Iterator[tuple[Daemon, EtldClient, dict[str, Browser]]]:
    """A daemon with a console for three users, 30 stored events, and one that no rule repairs."""
    daemon = make_daemon()
    port = free_port()
    users = daemon.directory / "users.toml"
    users.write_text(tomli_w.dumps({name: {"role": role, "scrypt": digest(PASSWORD)} for name, role in USERS.items()}))
    users.chmod(0o600)
    daemon.configure({"console.enabled": True, "console.port": port, "console.users_file": str(users)})
    with daemon.running():
        client = EtldClient(daemon)
        events = [purchase(item_id=HUGE, item_name=NASTY, price=float(n)) for n in range(30)]
        for number, one in enumerate(events):
            one["user_details"] = {"user_id": number % 10, "name": NASTY}
        client.send(events)
        client.track(purchase(price="not a number at all"))
        wait_until(lambda: client.sql("SELECT count(*) FROM processed_events") == [(30,)], 60, "all are stored")
        wait_until(
            lambda: client.sql("SELECT state FROM etld.dead_letter") == [("parked",)], 60, "the letter is parked"
        )
        summed = "SELECT coalesce(sum(events), 0) FROM etld.summary_purchase"
        wait_until(lambda: client.sql(summed) == [(30,)], 60, "all are summed up")
        yield daemon, client, {name: logged_in(f"http://127.0.0.1:{port}", name) for name in USERS}


def test_events_are_found_and_each_tells_its_life(shown: tuple[Daemon, EtldClient, dict[str, Browser]]) -> None:
    """By user, name, time and id; exact and harmless as HTML; a viewer sees no more than that there are events."""
    _, client, browsers = shown
    operator, viewer = browsers["otto"], browsers["vera"]
    rows = told(operator, "/events", user="7", type="purchase", since="1 h")["rows"]
    assert [(row["user_details"]["user_id"], row["event_details"]["item_id"]) for row in rows] == [(7, HUGE)] * 3
    assert told(operator, "/events", name="' OR 1=1 --")["rows"] == []
    assert told(operator, "/events", until="2020-01-31", since="2019-01-01")["rows"] == []
    for value in ("yesterday", "99999999 d", "2026-13-01"):
        assert operator.get(f"/api/v1/events?since={quote(value)}").status == 400
    listed = page(operator, "/events")
    assert "<script>alert" not in listed
    assert html.escape(NASTY[:8]) in listed
    assert str(HUGE) in listed

    event_id = rows[0]["event_id"]
    life = told(operator, f"/events/{event_id}")
    assert (life["fate"], [step["label"] for step in life["steps"]]) == ("stored", ["accepted", "in Kafka", "stored"])
    assert "<script>alert" not in page(operator, f"/events/{event_id}")
    ((letter,),) = client.sql("SELECT id::text FROM etld.dead_letter")
    dead = told(operator, f"/events/{letter}")
    assert dead["fate"] == "dead"
    assert any("not a number at all" in step["error"] for step in dead["steps"])
    assert operator.get("/events/nonsense").status == 400
    assert told(operator, "/events/00000000-0000-4000-8000-000000000001")["fate"] == "unknown"

    secret = ("user_details", "event_details")
    seen = told(viewer, "/events")["rows"]
    assert len(seen) == 30
    assert not any(name in row for row in seen for name in secret)
    assert viewer.get("/api/v1/events?user=7").status == 400
    for path in (f"/events/{event_id}", f"/events/{letter}"):
        texts = page(viewer, path) + json.dumps(told(viewer, path))
        assert "alert(" not in texts
        assert "not a number" not in texts


def test_a_summary_is_the_same_in_every_form(shown: tuple[Daemon, EtldClient, dict[str, Browser]]) -> None:
    """Chart, table, JSON and CSV have the numbers of its table."""
    _, client, browsers = shown
    shown_as_json = told(browsers["vera"], "/summaries", summary="purchase", last="all")
    ((events, revenue),) = client.sql("SELECT sum(events)::int, sum(revenue)::float8 FROM etld.summary_purchase")
    columns = shown_as_json["columns"]
    assert sum(row[columns.index("events")] for row in shown_as_json["rows"]) == events == 30
    assert sum(float(row[columns.index("revenue")]) for row in shown_as_json["rows"]) == revenue == sum(range(30))
    titles = [panel["title"] for panel in shown_as_json["panels"]]
    assert titles == [
        "Events over time",
        "Revenue over time",
        "Average price over time",
        "Items by event",
        "Revenue by event",
    ]
    rows = list(csv.reader(io.StringIO(page(browsers["vera"], "/summaries.csv?summary=purchase&last=all"))))
    assert rows[0] == columns
    assert len(rows) == len(shown_as_json["rows"]) + 1
    assert "Items by event" in page(browsers["vera"], "/summaries?last=all")
    assert browsers["vera"].get("/summaries?summary=none").status == 404
    assert browsers["vera"].get("/summaries.png?summary=../../config").status == 404


def test_a_schema_is_shown_and_another_is_judged(shown: tuple[Daemon, EtldClient, dict[str, Browser]]) -> None:
    """Nothing is registered by that, and a viewer may ask."""
    daemon, client, browsers = shown
    viewer = browsers["vera"]
    (one,) = told(viewer, "/schemas", type="purchase")["event_types"]
    assert [version["version"] for version in one["versions"]] == [1]
    text = (daemon.directory / "schemas" / "purchase.avsc").read_text()
    answer = viewer.call("/api/v1/schemas/check", {"type": "purchase", "schema": text})
    assert (answer.status, answer.json["outcome"]) == (200, "done")
    changed = json.loads(text)
    (field,) = (field for field in changed["fields"] if field["name"] == "event_details")
    field["type"]["fields"].append({"name": "colour", "type": "string"})
    answer = viewer.call("/api/v1/schemas/check", {"type": "purchase", "schema": json.dumps(changed)})
    assert (answer.status, "colour" in answer.text) == (409, True)
    assert client.sql("SELECT count(*) FROM etld.schema_version WHERE subject = 'event_purchase-value'") == [(1,)]
    assert client.sql("SELECT count(*) FROM etld.audit WHERE action = 'schemas/check'") == [(0,)]


def test_the_configuration_is_shown_and_taken(shown: tuple[Daemon, EtldClient, dict[str, Browser]]) -> None:
    """Every value with its place; a mistake of the file is told, a change planned, and only an admin takes it."""
    daemon, client, browsers = shown
    admin = browsers["ada"]
    port = daemon.settings()["ingest"]["port"]
    (value,) = told(admin, "/config", key="ingest.port")["values"]
    assert (value["value"], value["source"], ":" in value["place"]) == (port, "file", True)
    assert told(admin, "/config")["plan"] == []

    daemon.configure({"corrector.max_attempts": 0})
    assert any("max_attempts" in line for line in told(admin, "/config")["problems"])
    assert admin.call("/api/v1/config/reload", {}).status == 409

    daemon.configure({"corrector.max_attempts": 4})
    assert ("reload", "corrector-0") in [(s["action"], s["worker"]) for s in told(admin, "/config")["plan"]]
    assert browsers["otto"].call("/api/v1/config/reload", {}).status == 403
    assert admin.call("/api/v1/config/reload", {}).status in (200, 202)

    def taken() -> bool:
        found = told(admin, "/config", key="corrector.max_attempts")
        return bool(found["values"][0]["value"] == 4 and found["plan"] == [])

    wait_until(taken, 60, "the change is in force")
    audited = client.sql("SELECT who, outcome FROM etld.audit WHERE action = 'config/reload' ORDER BY id")
    assert [who for who, _ in audited] == ["ada", "otto", "ada"]
    assert audited[1][1].startswith("refused")
