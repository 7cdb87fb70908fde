"""Three ingest processes on one port, in a whole daemon: even spread, no answer missed, each event stored once."""

from __future__ import annotations

import http.client
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from etld.events.ids import derived
from support.clients import Clients, post
from support.daemon import Daemon
from support.events import event
from support.waiting import wait_until


@pytest.fixture(scope="module")
def three(make_daemon: Callable[[], Daemon]) -> Iterator[Daemon]:
    """A daemon with three ingest processes."""
    made = make_daemon()
    made.configure({"ingest.workers": 3, "ingest.ack_per_request": True})
    made.start()
    yield made
    made.stop()


@pytest.fixture
def port(three: Daemon) -> int:
    """Where it listens."""
    return int(three.settings()["ingest"]["port"])


def rows(daemon: Daemon, ids: set[str]) -> dict[str, int]:
    """How many rows each of these ids has."""
    with psycopg.connect(daemon.dsn) as connection:
        query = "SELECT event_id::text, count(*)::int FROM processed_events WHERE event_id = ANY(%s) GROUP BY 1"
        return dict(connection.execute(query, (list(ids),)).fetchall())


def stored_once(daemon: Daemon, ids: set[str]) -> bool:
    found = rows(daemon, ids)
    assert not [own for own, count in found.items() if count > 1]
    return len(found) == len(ids)


def connections(port: int) -> list[int]:
    """Open connections of each process, as the metrics have them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/metrics", headers={"Connection": "close"})
    text = connection.getresponse().read().decode()
    connection.close()
    return [
        int(float(number))
        for number in re.findall(r'^etld_connections\{worker="ingest-\d"\} (\S+)$', text, re.MULTILINE)
    ]


def test_64_connections_are_spread_within_a_factor_of_1_5(three: Daemon, port: int) -> None:
    """Even when all of them began at one process."""
    three.cli("scale", "ingest", "1")
    wait_until(lambda: len(connections(port)) == 1)
    with Clients(port, 64) as clients:
        wait_until(lambda: sum(connections(port)) >= 64)
        three.cli("scale", "ingest", "3")

        def even() -> bool:
            counts = connections(port)
            return len(counts) == 3 and sum(counts) >= 64 and max(counts) <= 1.5 * min(counts)

        wait_until(even, 60, interval=0.5)
    assert not clients.unanswered
    assert set(clients.statuses) == {200}


def test_reload_and_restart_leave_no_request_unanswered(three: Daemon, port: int) -> None:
    with Clients(port, 24) as clients:
        for step in ("reload", "restart", "everything"):
            before = clients.answers
            wait_until(lambda so_far=before: clients.answers > so_far + 200)
            if step == "reload":
                three.configure({"ingest.max_depth": 20})
                three.cli("reload")
            elif step == "restart":
                three.cli("restart", "ingest")
            else:
                three.cli("restart")
        wait_until(lambda so_far=clients.answers: clients.answers > so_far + 200)
    assert not clients.unanswered
    assert set(clients.statuses) == {200}
    wait_until(lambda: stored_once(three, clients.accepted), 60)


def test_a_recycle_leaves_no_request_unanswered(three: Daemon, port: int) -> None:
    first = {name: three.worker(name)["pid"] for name in ("ingest-0", "ingest-1", "ingest-2")}
    three.configure({"supervisor.max_events": 300})
    three.cli("reload")
    try:
        with Clients(port, 24) as clients:
            wait_until(lambda: all(three.worker(name)["pid"] not in (None, pid) for name, pid in first.items()), 60)
            wait_until(lambda so_far=clients.answers: clients.answers > so_far + 200)
    finally:
        three.configure({"supervisor.max_events": 0})
        three.cli("reload")
    assert not clients.unanswered
    assert set(clients.statuses) == {200}
    wait_until(lambda: stored_once(three, clients.accepted), 60)


class Call:
    """One request in one of the ways to say which event it is, and the ids that its events must have."""

    def __init__(self, number: int) -> None:
        key = uuid4().hex
        how = ("event_id", "messageId", "Idempotency-Key")[number % 3]
        form = ("/track", "/v1/track", "json", "ndjson")[number % 4]
        if how == "messageId" and form == "/track":
            form = "/v1/track"
        size = 1 if form.startswith("/") else 3
        self.headers = {"Idempotency-Key": key} if how == "Idempotency-Key" else {}
        events: list[dict[str, Any]] = []
        self.ids: list[str] = []
        for index in range(size):
            if how == "event_id":
                own = str(uuid4())
                events.append(event(event_id=own))
            elif how == "messageId":
                own = derived("messageId", f"{key}-{index}", 0)
                events.append({**segment_call(), "messageId": f"{key}-{index}"})
            else:
                own = derived("Idempotency-Key", key, index)
                events.append(event())
            self.ids.append(own)
        self.path = form if size == 1 else "/v1/batch"
        if size == 1:
            self.body = json.dumps(events[0]).encode()
        elif form == "json":
            self.body = json.dumps({"batch": events}).encode()
        else:
            self.body = b"\n".join(json.dumps(item).encode() for item in events)
            self.headers["Content-Type"] = "application/x-ndjson"

    def send(self, port: int) -> None:
        status, answer = post(port, self.path, self.body, self.headers)
        assert status == 200, answer
        assert answer.get("event_ids", [answer.get("event_id")]) == self.ids


def segment_call() -> dict[str, Any]:
    """A track call as Segment's specification has it, from a server library."""
    return {
        "anonymousId": "23adfd82-aa0f-45a7-a756-24f2a7a4c895",
        "context": {
            "active": True,
            "app": {"name": "shop", "version": "1.1.0"},
            "ip": "203.0.113.9",
            "library": {"name": "analytics-python", "version": "2.3.2"},
            "locale": "en-US",
            "page": {"path": "/academy/", "referrer": "", "search": "", "title": "x", "url": "https://shop.example/"},
            "traits": {"name": "Ada", "email": "ada@example.com", "country": "GB", "plan": "premium"},
            "userAgent": "Mozilla/5.0",
        },
        "event": "payment_successful",
        "integrations": {"All": True, "Mixpanel": False},
        "messageId": f"ajs-{uuid4()}",
        "originalTimestamp": "2026-01-31T12:00:00.250Z",
        "properties": {"item_id": 507, "item_name": "desk", "price": 39.95},
        "sentAt": "2026-01-31T12:00:01.000Z",
        "timestamp": "2026-01-31T12:00:00.250Z",
        "type": "track",
        "userId": "4711",
        "version": 2,
    }


def test_a_thousand_retries_also_across_a_restart_are_stored_once(three: Daemon, port: int) -> None:
    calls = [Call(number) for number in range(1000)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda call: call.send(port), calls))
        restart = pool.submit(three.cli, "restart", "ingest")
        list(pool.map(lambda call: call.send(port), calls))
        restart.result()
        list(pool.map(lambda call: call.send(port), reversed(calls)))
    ids = {own for call in calls for own in call.ids}
    assert len(ids) == sum(len(call.ids) for call in calls)
    wait_until(lambda: stored_once(three, ids), 60)
    wait_until(lambda: three.status()["totals"]["duplicate"] >= 2 * len(ids), 60)


@pytest.mark.parametrize("stamp", ["timestamp", "originalTimestamp", "sentAt", "receivedAt"])
def test_segments_call_becomes_the_right_row(three: Daemon, port: int, stamp: str) -> None:
    """`stamp` is the best of the times that the call has; without any, it is when the call came."""
    call = segment_call()
    for name in ("timestamp", "originalTimestamp", "sentAt"):
        if name == stamp:
            break
        del call[name]
    expected = call.get(stamp)
    began = datetime.now(UTC)
    status, answer = post(port, "/v1/track", json.dumps(call).encode(), {"Content-Type": "application/json"})
    assert (status, answer["event_id"]) == (200, derived("messageId", call["messageId"], 0))
    wait_until(lambda: rows(three, {answer["event_id"]}), 30)
    with psycopg.connect(three.dsn) as connection:
        row = connection.execute(
            "SELECT event_name, event_type, user_details, event_details, triggered_at"
            " FROM processed_events WHERE event_id = %s",
            (answer["event_id"],),
        ).fetchone()
    assert row is not None
    assert row[:2] == ("payment_successful", "purchase")
    assert row[2] == {
        "user_id": 4711,
        "name": "Ada",
        "email": "ada@example.com",
        "country": "GB",
        "anonymous_id": call["anonymousId"],
    }
    assert row[3] == {"item_id": 507, "item_name": "desk", "price": 39.95}
    if expected is None:
        assert began <= row[4] <= datetime.now(UTC)
    else:
        assert row[4] == datetime.fromisoformat(expected)


def test_segments_batch_shares_its_context(three: Daemon, port: int) -> None:
    calls = [segment_call() for _ in range(3)]
    for call in calls:
        del call["context"]["traits"], call["timestamp"], call["originalTimestamp"], call["sentAt"]
    calls[2]["context"]["traits"] = {"name": "Bo"}
    body = {
        "batch": calls,
        "context": {"traits": {"name": "Ada"}, "library": {"name": "http"}},
        "sentAt": "2026-01-31T12:00:01.000Z",
        "writeKey": "unused",
    }
    status, answer = post(port, "/v1/batch", json.dumps(body).encode())
    assert status == 200
    wait_until(lambda: len(rows(three, set(answer["event_ids"]))) == 3, 30)
    with psycopg.connect(three.dsn) as connection:
        found = Counter(
            connection.execute(
                "SELECT user_details->>'name', triggered_at FROM processed_events WHERE event_id = ANY(%s)",
                (answer["event_ids"],),
            ).fetchall()
        )
    at = datetime(2026, 1, 31, 12, 0, 1, tzinfo=UTC)
    assert found == {("Ada", at): 2, ("Bo", at): 1}


CASES = [json.loads(line) for line in Path(__file__).with_name("batches.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("case", CASES, ids=[case["what"] for case in CASES])
def test_one_wrong_event_of_a_batch_costs_no_row_of_another(three: Daemon, port: int, case: dict[str, Any]) -> None:
    status, answer = post(port, case["path"], case["body"].encode())
    assert status == 207
    stored = {item["event_id"] for item in answer["results"] if item["code"] == 200}
    assert len(stored) == case["want"]["stored"]
    assert len(answer["results"]) - len(stored) == case["want"]["kept_or_refused"]
    wait_until(lambda: stored_once(three, stored), 30)


def test_a_stop_answers_what_was_sent(three: Daemon, port: int) -> None:
    """The last test of this module: it stops the daemon."""
    with Clients(port, 24) as clients:
        wait_until(lambda: clients.answers > 500)
        three.cli("stop")
        wait_until(lambda: clients.refused > 24)
    assert not clients.unanswered
    assert set(clients.statuses) == {200}
    three.start()
    wait_until(lambda: stored_once(three, clients.accepted), 60)
