"""What the libraries of Segment and RudderStack send, case by case: the answer, and what is stored of it."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from support.daemon import Daemon
from support.waiting import wait_until

CASES = [json.loads(line) for line in Path(__file__).with_name("client_requests.jsonl").read_text("utf-8").splitlines()]
#: One needs a broker that takes only a part: tests/unit/ingest/test_pending.py has it.
ANSWERED = [case for case in CASES if "when" not in case["want"]]


def _uuid(match: re.Match[str]) -> str:
    return f'"messageId": "{uuid4()}"'


@pytest.fixture(scope="module", params=["no keys", "keys"])
def shop(request: pytest.FixtureRequest, make_daemon: Callable[[], Daemon]) -> Iterator[Daemon]:
    """A daemon, without write keys or with one."""
    made = make_daemon()
    made.configure({"ingest.cors_origins": ["https://shop.example"]})
    if request.param == "keys":
        keys = made.directory / "keys.toml"
        keys.write_text(f'[shop]\nsha256 = "{hashlib.sha256(b"KEY").hexdigest()}"\n')
        made.configure({"ingest.keys_file": str(keys)})
    made.start()
    yield made
    made.stop()


def ask(daemon: Daemon, case: dict[str, Any], body: bytes | None) -> tuple[int, dict[str, str], bytes]:
    settings = daemon.settings()["ingest"]
    headers = dict(case["headers"])
    if settings["keys_file"] and b"KEY" not in (body or b"") + case["path"].encode():
        headers["Authorization"] = "Basic S0VZOg=="
    connection = http.client.HTTPConnection("127.0.0.1", settings["port"], timeout=20)
    try:
        connection.request(case["method"], case["path"], body, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def kept(daemon: Daemon, ids: list[str]) -> int:
    """How many of these ids are rows or dead letters."""
    with psycopg.connect(daemon.dsn) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM processed_events WHERE event_id = ANY(%s))"
            " + (SELECT count(*) FROM etld.dead_letter WHERE event_id::text = ANY(%s::text[]))",
            (ids, ids),
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("case", ANSWERED, ids=[case["what"] for case in ANSWERED])
def test_a_client_is_answered_and_what_it_sent_is_stored(shop: Daemon, case: dict[str, Any]) -> None:
    body = None
    ids: list[str] = []
    if case["body"] is not None:
        text = re.sub(r'"messageId": "[^"]*"', _uuid, json.dumps(case["body"]))
        ids = re.findall(r'"messageId": "([^"]*)"', text)
        body = text.encode()
    status, headers, answer = ask(shop, case, body)
    assert status == case["want"]["status"], answer
    if "allows" in case["want"]:
        assert case["want"]["allows"] in headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
    if "stored" in case["want"]:
        wait_until(lambda: kept(shop, ids) >= case["want"]["stored"], 30)
        assert kept(shop, ids) == case["want"]["stored"]
        with psycopg.connect(shop.dsn) as connection:
            assert connection.execute("SELECT 1 FROM processed_events WHERE event_id = ANY(%s)", (ids,)).fetchone()


def test_a_visitor_without_a_login_keeps_its_anonymous_id(shop: Daemon) -> None:
    own = str(uuid4())
    call = {
        "type": "track",
        "event": "order_placed",
        "messageId": own,
        "anonymousId": "a-1",
        "properties": {"order_id": "5", "order_value": 9.5},
    }
    case = {"method": "POST", "path": "/v1/t", "headers": {"content-type": "text/plain"}}
    status, _, answer = ask(shop, case, json.dumps({**call, "writeKey": "KEY"}).encode())
    assert (status, json.loads(answer)["event_id"]) == (200, own)
    wait_until(lambda: kept(shop, [own]), 30)
    with psycopg.connect(shop.dsn) as connection:
        row = connection.execute(
            "SELECT user_details->>'anonymous_id', user_details->'user_id', event_details->'order_id'"
            " FROM processed_events WHERE event_id = %s",
            (own,),
        ).fetchone()
    assert row == ("a-1", None, 5)


def test_a_wrong_key_in_the_body_or_the_query_is_refused(shop: Daemon) -> None:
    wanted = 401 if shop.settings()["ingest"]["keys_file"] else 200
    call = {"type": "page", "messageId": str(uuid4()), "writeKey": "WRONG"}
    for path, sent in (("/v1/p", call), ("/v1/p?writeKey=WRONG", {"type": "page", "messageId": str(uuid4())})):
        connection = http.client.HTTPConnection("127.0.0.1", shop.settings()["ingest"]["port"], timeout=20)
        connection.request("POST", path, json.dumps(sent))
        assert connection.getresponse().status == wanted
        connection.close()


def test_other_calls_are_ignored_and_counted_or_become_visitors(make_daemon: Callable[[], Daemon]) -> None:
    made = make_daemon()
    calls = [
        {"type": "page", "name": "Home", "anonymousId": "a-1", "properties": {"url": "https://shop.example/"}},
        {"type": "identify", "userId": "7", "traits": {"email": "a@b.example", "address": {"city": "Oslo"}, "age": 7}},
        {"type": "group", "userId": "7", "groupId": "g-1", "traits": {"tags": ["x"]}},
        {"type": "alias", "userId": "7", "previousId": "a-1"},
        {"type": "screen", "userId": "7", "name": "Cart"},
    ]

    def send() -> tuple[int, dict[str, Any], list[str]]:
        ids = [str(uuid4()) for _ in calls]
        batch = [{**call, "messageId": own} for call, own in zip(calls, ids, strict=True)]
        connection = http.client.HTTPConnection("127.0.0.1", made.settings()["ingest"]["port"], timeout=20)
        connection.request("POST", "/v1/import", json.dumps({"batch": batch}))
        answer = connection.getresponse()
        document = json.loads(answer.read())
        connection.request("GET", "/metrics")
        document["metrics"] = connection.getresponse().read().decode()
        connection.close()
        return answer.status, document, ids

    with made.running():
        status, document, _ = send()
        assert status == 200
        assert {item["status"] for item in document["results"]} == {"ignored"}
        for call in calls:
            wait_until(
                lambda one=call: re.search(rf'ignored_calls_total{{.*call="{one["type"]}".*}} 1', send()[1]["metrics"])
            )
        made.configure({f"ingest.segment_calls.{call['type']}": "visitor" for call in calls})
        made.configure({"event_types.visitor": {"event_names": [call["type"] for call in calls]}})
        made.cli("reload")
        status, document, ids = send()
        assert status == 200, document
        wait_until(lambda: kept(made, ids) == len(ids), 60)
        with psycopg.connect(made.dsn) as connection:
            rows = connection.execute(
                "SELECT event_name, event_details FROM processed_events WHERE event_id = ANY(%s)", (ids,)
            ).fetchall()
    found = dict(rows)
    assert found["page"]["name"] == "Home"
    assert found["page"]["url"] == "https://shop.example/"
    assert found["group"]["group_id"] == "g-1"
    assert found["alias"]["previous_id"] == "a-1"
    assert found["screen"]["name"] == "Cart"
    assert "Oslo" in str(found["identify"]["traits"])
    assert "address.city" in str(found["identify"]["traits"])
