"""A batch: one wrong event costs nobody else, and one that could not be written is no 2xx for any."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.events import event
from support.ingest import Ingest, Start, read
from support.waiting import wait_until

GOOD = {"event_name": "order_placed", "event_type": "order", "triggered_at": "2026-01-02T03:04:05Z"}
DETAILS = '{"order_id": 1, "order_value": 9.5}'


def order(details: str = DETAILS, user: str = '{"user_id": 7}') -> bytes:
    head = json.dumps(GOOD)[:-1]
    return f'{head}, "user_details": {user}, "event_details": {details}}}'.encode("utf-8", "surrogateescape")


WRONG = {
    "a text cut in the middle of an emoji": (order(user='{"user_id": 7, "name": "cut \\ud83d"}'), 400),
    "half of a pair in a key": (order(details='{"order_id": 1, "order_value": 9.5, "\\ude00": 1}'), 400),
    "a number that no double holds": (order(details='{"order_id": 1, "order_value": 1e400}'), 400),
    "a key twice": (order(details='{"order_id": 1, "order_id": 3, "order_value": 9.5}'), 400),
    "a key twice, deep": (order(details='{"order_id": 1, "order_value": {"a": [{"b": 1, "b": 2}]}}'), 400),
    "a key twice, by an escape": (order(details='{"order_id": 1, "order_i\\u0064": 3, "order_value": 9.5}'), 400),
    "no UTF-8": (order(user='{"user_id": 7, "name": "\udcff\udcfe"}'), 400),
    "UTF-8 cut short": (order(user='{"user_id": 7, "name": "\udce2\udc82"}'), 400),
    "NaN": (order(details='{"order_id": 1, "order_value": NaN}'), 400),
    "a bare control character": (order(user='{"user_id": 7, "name": "a\nb"}'), 400),
    "a comma too many": (order(details='{"order_id": 1, "order_value": 9.5,}'), 400),
    "too deep": (order(details='{"order_id": 1, "order_value": ' + "[" * 40 + "]" * 40 + "}"), 400),
    "much too deep": (order(details='{"order_id": 1, "order_value": ' + "[" * 3000 + "]" * 3000 + "}"), 400),
    "no object": (b"[1]", 400),
    "nothing": (b"null", 400),
    "a text": (b'"order_placed"', 400),
    "too large": (order(user='{"user_id": 7, "name": "' + "x" * 70_000 + '"}'), 413),
    "NUL": (order(user='{"user_id": 7, "name": "a\\u0000b"}'), 202),
    "an integer beyond 64 bits": (order(details='{"order_id": 18446744073709551617, "order_value": 9.5}'), 202),
}


@pytest.mark.parametrize("segment", [False, True], ids=["", "with Segment's envelope"])
@pytest.mark.parametrize("what", WRONG)
def test_one_wrong_event_costs_no_other(ingest: Ingest, kafka: str, what: str, segment: bool) -> None:
    wrong, code = WRONG[what]
    events = [order(), wrong, order()]
    envelope = b', "sentAt": "2026-01-02T03:04:05Z", "context": {"batch": [1]}}' if segment else b"}"
    status, answer = ingest.post("/v1/batch", b'{"batch": [' + b" ,\n ".join(events) + b"]" + envelope)
    assert (status, answer["code"]) == (207, "partial")
    assert [item["code"] for item in answer["results"]] == [200, code, 200]
    assert answer["accepted"] == (3 if code == 202 else 2)
    assert "1 are" in answer["message"]
    topic = json.loads(ingest.config.schemas_path.read_text())["event_types"]["order"]["topic"]
    stored = {record.key().decode() for record in read(kafka, topic)}
    assert {answer["results"][index]["event_id"] for index in (0, 2)} <= stored
    lines = b"\n".join(event.replace(b"\n", b"\x01") for event in events)
    _, lined = ingest.post("/v1/batch", lines, Content_Type="application/x-ndjson")
    assert [item["code"] for item in lined["results"]] == [200, code, 200]


def test_two_wrong_ones_are_named_by_their_place(ingest: Ingest) -> None:
    body = b'{"batch": [%s, {"a": 1, "a": 2}, %s, {"b": 1e400}]}' % (order(), order())
    results = ingest.post("/v1/batch", body)[1]["results"]
    assert [item["code"] for item in results] == [200, 400, 200, 400]
    assert "event 1 of the batch" in results[1]["detail"]
    assert "'a' comes twice" in results[1]["detail"]
    assert "event 3 of the batch" in results[3]["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"batch": [%s}' % order(),
        b'{"batch": [%s,, %s]}' % (order(), order()),
        b'{"batch": [%s], "batch": [%s]}' % (order(), order()),
        b'{"batch": [%s], "sentAt": "\\ud83d"}' % order(),
        b'{"batch": [%s], "sentAt": 1e400}' % order(),
        b'{"batch": [%s]} trailing' % order(),
        b'{"batch": [{"a": "no end}]}',
    ],
)
def test_a_broken_envelope_is_a_400_for_all(ingest: Ingest, body: bytes) -> None:
    status, answer = ingest.post("/v1/batch", body)
    assert (status, answer["code"]) == (400, "not_json")
    assert answer["message"]


def test_many_wrong_ones_are_still_limited(start: Start) -> None:
    ingest = start(max_batch="2")
    status, answer = ingest.post("/v1/batch", b'{"batch": [1e400, 1e400, 1e400]}')
    assert (status, answer["code"]) == (413, "batch_too_large")


@pytest.mark.parametrize("others", [[], [{"event_type": "parcel"}], [5], [5, {"event_type": "parcel"}]], ids=str)
def test_a_batch_that_is_not_written_is_a_503_as_a_whole(start: Start, others: list[Any]) -> None:
    """Whatever else it has: letters to keep, what is refused. Only what is for Kafka alone can be missing there."""
    ingest = start()
    sent = [event(), *(event(**one) if isinstance(one, dict) else one for one in others)]
    ingest.worker.pause()
    wait_until(lambda: ingest.request("GET", "/readyz")[0] == 503, 10)
    status, headers, body = ingest.request("POST", "/v1/batch", {"batch": sent})
    answer = json.loads(body)
    assert (status, answer["code"]) == (503, "unavailable")
    assert int(headers["retry-after"]) >= 1
    assert len(answer["event_ids"]) == len(sent)
    assert answer["message"]
    assert ingest.post("/v1/batch", {"batch": [5]})[0] == 207
    wait_until(lambda: ingest.worker.counter("unavailable") == len(sent), 10)
    ingest.worker.resume()
    wait_until(lambda: ingest.request("GET", "/readyz")[0] == 200, 10)
    assert ingest.post("/v1/batch", {"batch": sent})[0] == (207 if others else 200)


def test_every_answer_but_200_says_what_and_why(ingest: Ingest) -> None:
    for path, body in (
        ("/track", event(event_type="parcel")),
        ("/track", b"{"),
        ("/nothing", b"{}"),
        ("/v1/batch", {"batch": [event(event_type="parcel")]}),
        ("/v1/batch", {"batch": [5]}),
        ("/healthz", b"{}"),
    ):
        status, answer = ingest.post(path, body)
        assert status != 200
        assert answer["code"]
        assert answer["message"]
