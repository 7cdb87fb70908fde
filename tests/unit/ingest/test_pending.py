"""The answer to a batch, by its spelling and by what became of its events."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from etld.ingest.counters import IngestCounters
from etld.ingest.event_request import EventRequest
from etld.ingest.http.answers import Answer
from etld.ingest.http.connection import HttpConnection
from etld.ingest.http.request import HttpRequest
from etld.ingest.outcomes import Ignored, Outcome, OutgoingRecord, Refusal
from etld.ingest.pending import PendingBatch
from etld.ingest.producer_thread import ProducerThread


class Connection:
    """Keeps the answer."""

    def __init__(self) -> None:
        self.status = 0
        self.document: dict[str, Any] = {}

    def answer(self, answer: Answer) -> None:
        self.status, self.document = answer.status, json.loads(answer.body)

    def send(self, start: bytes, body: bytes) -> None:
        self.status, self.document = int(start.split()[1]), json.loads(body)


class Producer:
    """Has no client."""

    client = None


def good(name: str, *, segment: bool = True) -> OutgoingRecord:
    return OutgoingRecord("event_order", name, b"", segment=segment)


def letter(name: str, *, segment: bool = True) -> OutgoingRecord:
    return OutgoingRecord("dead_letter_queue", name, b"", [], [], segment)


def refused(status: int, *, segment: bool = True) -> Refusal:
    return Refusal(status, "no", "it is refused", [], "r", segment)


def answered(outcomes: list[Outcome], lost: list[str] | None = None) -> tuple[int, dict[str, Any], IngestCounters]:
    """(status, document, counters) after Kafka took all but those lost."""
    connection = Connection()
    counters = IngestCounters()
    http = HttpRequest("POST", "/v1/batch", "1.1", {}, close=False)
    request = EventRequest(cast("HttpConnection", connection), http, None, "all", counters, 0.0)
    pending = PendingBatch(cast("ProducerThread", Producer()), request, outcomes)
    pending.sent = pending.expected = sum(type(item) is OutgoingRecord for item in outcomes)
    pending.failed = [(name.encode(), "away") for name in lost or ()] or None
    pending.finish(late=False)
    return connection.status, connection.document, counters


def test_a_batch_of_calls_that_are_all_durable_gets_200() -> None:
    status, document, counters = answered([good("a"), letter("b"), Ignored("page", "c")])
    assert (status, document["accepted"]) == (200, 3)
    assert [item["status"] for item in document["results"]] == ["success", "dead_lettered", "ignored"]
    assert counters.ignored == {"page": 1}
    assert counters.accepted == 2


def test_a_call_that_could_not_be_written_makes_the_whole_batch_be_sent_again() -> None:
    for other in (good("a"), letter("a"), Ignored("page", "a"), refused(422)):
        status, document, _ = answered([other, good("b")], lost=["b"])
        assert status == 503
        assert document["code"] == "unavailable"
        assert document["message"]


@pytest.mark.parametrize(("statuses", "status"), [([413], 413), ([422, 422], 422), ([413, 403], 400)])
def test_a_batch_with_a_call_that_is_refused_for_good_is_never_taken_for_delivered(
    statuses: list[int], status: int
) -> None:
    got, document, _ = answered([good("a"), *map(refused, statuses)])
    assert (got, document["code"], document["accepted"]) == (status, "partly_refused", 1)
    assert [item["code"] for item in document["results"]] == [200, *statuses]
    assert "refused" in document["message"]


def test_etlds_own_spelling_gets_207() -> None:
    status, document, _ = answered([good("a", segment=False), letter("b", segment=False)])
    assert (status, document["code"], document["explain"]) == (207, "partial", "ETLD-H028")
    too_large = Refusal(413, "event_too_large", "it is refused", [], "r")
    status, document, _ = answered([good("a", segment=False), too_large])
    assert (status, document["results"][1]["explain"]) == (207, "ETLD-H011")
