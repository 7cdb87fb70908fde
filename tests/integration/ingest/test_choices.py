"""Which events are taken: types for repairs only, a sample, a window of time."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest

from etld.events.ids import derived
from support.events import event
from support.ingest import Start, read


def test_a_type_for_repairs_only_is_taken_from_no_client(start: Start, kafka: str) -> None:
    ingest = start(event_types__order__accept="false")
    status, answer = ingest.post("/track", event("order"))
    assert (status, answer["code"], answer["errors"][0]["path"]) == (403, "type_not_allowed", "event_type")
    status, answer = ingest.post("/v1/batch", {"batch": [event("order"), event()]})
    assert (status, [item["code"] for item in answer["results"]]) == (207, [403, 200])
    topics = json.loads(ingest.config.schemas_path.read_text())["event_types"]
    assert read(kafka, topics["order"]["topic"]) == []
    assert "Event_order" not in ingest.request("GET", "/openapi.json")[2].decode()


def test_a_sample_keeps_its_share_and_says_what_it_left_out(start: Start, kafka: str) -> None:
    ingest = start(event_types__purchase__sample="{payment_successful = 0.5}")
    ids = [derived("sample", str(number)) for number in range(400)]
    first, second = (
        ingest.post("/v1/batch", {"batch": [event(event_id=own) for own in ids]})[1]["results"] for _ in range(2)
    )
    assert first == second, "the same id decides the same"
    shares = Counter(item["status"] for item in first)
    assert set(shares) == {"success", "sampled_out"}
    assert 150 < shares["success"] < 250
    kept = {item["event_id"] for item in first if item["status"] == "success"}
    topic = json.loads(ingest.config.schemas_path.read_text())["event_types"]["purchase"]["topic"]
    assert {record.key().decode() for record in read(kafka, topic)} == kept
    assert ingest.post("/track", event(event_id=next(iter(set(ids) - kept))))[1]["status"] == "sampled_out"
    whole = {"batch": [event(event_name="added_to_cart", event_id=own) for own in ids[:50]]}
    assert ingest.post("/v1/batch", whole)[1]["accepted"] == 50


@pytest.mark.parametrize("path", ["/track", "/v1/batch"])
def test_a_time_outside_the_window_is_a_violation(start: Start, path: str) -> None:
    ingest = start(max_age="1 h", max_ahead="1 min", invalid="reject")
    for seconds, words in ((-7200, "at most 3600 s ago"), (120, "at most 60 s ahead"), (-1800, ""), (30, "")):
        sent = event(triggered_at=time.time() + seconds)
        status, answer = ingest.post(path, sent if path == "/track" else {"batch": [sent]})
        errors = (answer if path == "/track" else answer.get("results", [{}])[0]).get("errors", [])
        assert [item["path"] for item in errors] == (["triggered_at"] if words else [])
        assert not words or words in errors[0]["expected"]
        assert status == ((422 if path == "/track" else 207) if words else 200)


def test_a_call_other_than_track_is_a_violation_also_where_unknown_fields_are_dropped(start: Start) -> None:
    kept = {"ingest__segment_calls__screen": "dead_letter"}
    ingest = start(event_types__order__unknown_fields="drop", invalid="reject", **kept)
    call = {"event": "order_placed", "userId": "7", "properties": {"order_id": 1, "order_value": 1, "colour": "red"}}
    assert ingest.post("/v1/track", {**call, "type": "track"})[0] == 200
    status, answer = ingest.post("/v1/track", {**call, "type": "screen"})
    assert (status, [item["path"] for item in answer["errors"]]) == (422, ["type"])
