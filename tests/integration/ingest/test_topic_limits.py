"""A topic that takes less than ingest does: 413 for what never fits, and nothing for its neighbours to suffer."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.events import event
from support.ingest import Ingest, Start, read
from support.topic_limit import set_limit
from support.waiting import wait_until


def limit(kafka: str, topic: str, size: int | None) -> None:
    """Set, or take away, the topic's max.message.bytes."""
    set_limit({"bootstrap.servers": kafka}, topic, size)
    time.sleep(0.5)  # until the broker goes by it


def topic_of(ingest: Ingest, kind: str = "purchase") -> str:
    return str(json.loads(ingest.config.schemas_path.read_text())["event_types"][kind]["topic"])


def sized(size: int, **changes: Any) -> dict[str, Any]:
    # What lz4 does not make smaller.
    text = "".join(chr(0x4E00 + (number * number * 7919 + number * 31) % 20_000) for number in range(size // 3))
    return event(event_details={"item_id": 1, "item_name": text, "price": 1.0}, **changes)


def keys(kafka: str, topic: str) -> set[str]:
    return {record.key().decode() for record in read(kafka, topic)}


@pytest.mark.parametrize("ack", ["all", "leader"])
def test_an_event_over_the_limit_is_a_413_and_its_neighbours_are_stored(start: Start, kafka: str, ack: str) -> None:
    ingest = start(ack=ack)
    assert ingest.post("/track", event())[0] == 200
    limit(kafka, topic_of(ingest), 20_000)
    status, answer = ingest.post("/track", sized(40_000))
    assert (status, answer["code"]) == (413, "event_too_large")
    assert topic_of(ingest) in answer["detail"]
    assert answer["event_id"]
    batch = [event(), sized(40_000), event("order"), event(event_type="parcel"), sized(500)]
    status, answer = ingest.post("/v1/batch", {"batch": batch})
    assert (status, [item["code"] for item in answer["results"]]) == (207, [200, 413, 200, 202, 200])
    assert {answer["results"][index]["event_id"] for index in (0, 4)} <= keys(kafka, topic_of(ingest))
    assert ingest.post("/v1/batch", {"batch": [event()] * 3})[0] == 200
    wait_until(lambda: ingest.worker.counter("rejected") == 2, 10)
    assert ingest.worker.counter("unavailable") == 0


def test_a_producer_batch_over_the_limit_is_sent_in_pieces(start: Start, kafka: str) -> None:
    ingest = start()
    limit(kafka, topic_of(ingest), 20_000)
    status, answer = ingest.post("/v1/batch", {"batch": [sized(5000) for _ in range(40)]})
    assert status == 200, answer
    assert set(answer["event_ids"]) <= keys(kafka, topic_of(ingest))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: ingest.post("/track", sized(5000 + 40_000 * (number % 2))), range(60)))
    assert [status for status, _ in answers] == [200, 413] * 30
    stored = keys(kafka, topic_of(ingest))
    assert all((answer["event_id"] in stored) == (status == 200) for status, answer in answers)


def test_what_is_only_enqueued_is_sent_in_pieces_too(start: Start, kafka: str) -> None:
    ingest = start(ack="enqueued")
    limit(kafka, topic_of(ingest), 20_000)
    batch = [sized(5000) for _ in range(20)] + [sized(40_000)]
    status, answer = ingest.post("/v1/batch", {"batch": batch})
    assert status == 200
    wait_until(lambda: set(answer["event_ids"][:-1]) <= keys(kafka, topic_of(ingest)), 20)


def test_a_letter_over_the_limit_of_its_queue(start: Start, kafka: str) -> None:
    ingest = start()
    try:
        limit(kafka, ingest.letters, 20_000)
        status, answer = ingest.post("/track", sized(40_000, event_type="parcel"))
        assert (status, answer["code"]) == (413, "event_too_large")
        batch = [sized(40_000, event_type="parcel"), event(), event(event_type="parcel")]
        assert [item["code"] for item in ingest.post("/v1/batch", {"batch": batch})[1]["results"]] == [413, 200, 202]
    finally:
        limit(kafka, ingest.letters, None)


def test_a_limit_that_is_lowered_later_is_a_fault(start: Start, kafka: str) -> None:
    ingest = start()
    faults = ingest.worker.metrics.faults
    limit(kafka, ingest.letters, 8 << 20)
    wait_until(lambda: "topic-limits" not in faults, 20)
    limit(kafka, topic_of(ingest), 20_000)
    wait_until(lambda: f"topic {topic_of(ingest)} takes 20000 bytes" in faults.get("topic-limits", ""), 20)
    limit(kafka, topic_of(ingest), None)
    wait_until(lambda: topic_of(ingest) not in faults.get("topic-limits", ""), 20)
