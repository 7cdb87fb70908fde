"""Requests that wait for Kafka, and the answers they get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from etld.explain import code_of
from etld.ingest.http.answers import JSON, Answer, json_answer, opening, problem
from etld.ingest.outcomes import Ignored, Outcome, OutgoingRecord, Refusal, Sampled
from etld.ingest.producer_thread import KafkaUnavailable, PendingRequest

if TYPE_CHECKING:
    from etld.ingest.event_request import EventRequest
    from etld.ingest.producer_thread import ProducerThread
    from etld.kafka.receipt import Oversized

RETRY_AFTER = 1
_OK = opening(200, JSON)
_LATE = "Kafka did not acknowledge in time"


class _PendingAlone(PendingRequest):
    """Records of a request that were refused for the size of their batch, each on its way in one of its own."""

    __slots__ = ("request",)

    def __init__(self, producer: ProducerThread, count: int, request: PendingEvent | PendingBatch) -> None:
        super().__init__(producer, count, request.started)
        self.request = request

    def finish(self, late: bool) -> None:
        """Now it is known which ones are too large by themselves."""
        request = self.request
        request.failed = [*(request.failed or ()), *(self.failed or ())]
        request.refuse([record.key.decode() for record in self.oversized or ()])
        request.finish(late)


def _separately(request: PendingEvent | PendingBatch, records: list[Oversized]) -> None:
    """Send them again, and finish the request then."""
    request.oversized = None
    try:
        request.producer.send_alone(records, _PendingAlone(request.producer, len(records), request))
    except KafkaUnavailable:
        request.finish(True)


def _too_large_for_topic(record: OutgoingRecord) -> Refusal:
    detail = f"topic {record.topic} does not take a record of this size (its max.message.bytes)"
    return Refusal(413, "event_too_large", detail, [], record.event_id, record.segment)


class PendingEvent(PendingRequest):
    """One event on its way."""

    __slots__ = ("record", "refused", "request")

    def __init__(self, producer: ProducerThread, request: EventRequest, record: OutgoingRecord) -> None:
        super().__init__(producer, 1, request.started)
        self.request = request
        self.record = record
        self.refused = False

    def finish(self, late: bool) -> None:
        """200, 202 for a dead letter, or 503."""
        if self.oversized and not late:
            _separately(self, self.oversized)
            return
        if self.refused and not late:
            answer_unkept(self.request, _too_large_for_topic(self.record))
            return
        if late or self.failed:
            self.give_up(_LATE if late or not self.failed else self.failed[0][1])
            return
        request, record = self.request, self.record
        counters = request.counters
        counters.accepted += 1
        counters.count_key(request.key, "accepted")
        if record.errors is None:
            body = f'{{"status":"success","event_id":"{record.event_id}","ack":"{request.ack}"}}'
            request.connection.send(_OK, body.encode())
            return
        counters.dead_lettered += 1
        document = {
            "status": "dead_lettered",
            "code": "dead_lettered",
            "message": "the event violates its schema and is kept as a dead letter",
            "explain": code_of("http", "dead_lettered"),
            "event_id": record.event_id,
            "ack": request.ack,
            "errors": [{"index": 0, **item} for item in record.errors],
        }
        request.connection.answer(json_answer(202, document))

    def refuse(self, ids: list[str]) -> None:
        """Kafka does not take it for its size."""
        self.refused = bool(ids)

    def give_up(self, reason: str) -> None:
        """503: it is not known to be in Kafka."""
        request = self.request
        request.counters.unavailable += 1
        request.counters.count_key(request.key, "unavailable")
        request.connection.answer(_unavailable(reason, event_id=self.record.event_id))


class PendingBatch(PendingRequest):
    """Many events on their way; `sent` of them left, and `reason` says why not all did."""

    __slots__ = ("outcomes", "reason", "request", "sent")

    def __init__(self, producer: ProducerThread, request: EventRequest, outcomes: list[Outcome]) -> None:
        super().__init__(producer, len(outcomes) + 1, request.started)
        self.request = request
        self.outcomes = outcomes
        self.sent = 0
        self.reason = ""

    def finish(self, late: bool) -> None:
        """200 when every event was accepted, 503 when one could not be made durable, else 207 with a result each."""
        outcomes, request = self.outcomes, self.request
        if self.oversized and not (late or self.failed or self._unsent()):
            _separately(self, self.oversized)
        elif late or self.failed or self._unsent():
            self._give_up(late)
        elif all(type(item) is OutgoingRecord and item.errors is None for item in outcomes):
            request.counters.accepted += len(outcomes)
            request.counters.count_key(request.key, "accepted", len(outcomes))
            ids = [item.event_id for item in outcomes]
            document = {"status": "success", "accepted": len(ids), "ack": request.ack, "event_ids": ids}
            request.connection.send(_OK, orjson.dumps(document))
        else:
            self._answer_each()

    def refuse(self, ids: list[str]) -> None:
        """Kafka does not take these for their size."""
        refused = frozenset(ids)
        for index, item in enumerate(self.outcomes):
            if type(item) is OutgoingRecord and item.event_id in refused:
                self.outcomes[index] = _too_large_for_topic(item)

    def _unsent(self) -> bool:
        """Did Kafka not get all that is for it?"""
        return bool(self.reason) and any(type(item) is OutgoingRecord for item in self.outcomes[self.sent :])

    def _give_up(self, late: bool) -> None:
        """503 for all of it: clients take any 2xx for delivered, and the ids make all of it safe to repeat."""
        request = self.request
        request.counters.unavailable += len(self.outcomes)
        request.counters.count_key(request.key, "unavailable", len(self.outcomes))
        reason = self.reason or (_LATE if late or not self.failed else self.failed[0][1])
        request.connection.answer(_unavailable(reason, event_ids=[item.event_id for item in self.outcomes]))

    def _answer_each(self) -> None:
        request = self.request
        results = [_result(request, index, item) for index, item in enumerate(self.outcomes)]
        if any(item.segment for item in self.outcomes):
            request.connection.answer(_segment_answer(request, results))
            return
        accepted = sum(item["code"] in (200, 202) for item in results)
        document: dict[str, Any] = {"status": "success", "accepted": accepted, "ack": request.ack, "results": results}
        status = 200
        if any(item["code"] != 200 for item in results):
            status = 207
            document |= {"status": "partial", "code": "partial", "message": _told(results)}
            document["explain"] = code_of("http", "partial")
        request.connection.answer(json_answer(status, document))


def _segment_answer(request: EventRequest, results: list[dict[str, Any]]) -> Answer:
    """To a batch in Segment's spelling, whose events are all kept, ignored or refused for good.

    Segment's libraries take every 2xx for delivered, RudderStack's for Python takes 200 alone, and both read `code`
    and `message` of all else: so 200 when nothing is refused, and else a status that is not repeated.
    """
    refused = {item["code"] for item in results if item["code"] >= 400}
    accepted = sum(item["code"] < 300 for item in results)
    if not refused:
        document = {"status": "success", "accepted": accepted, "ack": request.ack, "results": results}
        return json_answer(200, document)
    status = refused.pop() if len(refused) == 1 else 400
    count = len(results) - accepted
    first = next(item for item in results if item["code"] >= 400)
    detail = f"{count} of {len(results)} calls are refused, the others are kept; [{first['index']}]: {first['detail']}"
    return problem(status, "partly_refused", detail, accepted=accepted, ack=request.ack, results=results)


def answer_unkept(request: EventRequest, outcome: Outcome) -> None:
    """Answer to a single event that does not go to Kafka."""
    counters = request.counters
    if type(outcome) is Sampled:
        counters.sampled += 1
        counters.count_key(request.key, "accepted")
        document = {"status": "sampled_out", "event_id": outcome.event_id, "ack": request.ack}
        request.connection.answer(json_answer(200, document))
        return
    if type(outcome) is Ignored:
        counters.ignored[outcome.call] += 1
        counters.count_key(request.key, "accepted")
        document = {"status": "ignored", "event_id": outcome.event_id, "ack": request.ack}
        request.connection.answer(json_answer(200, document))
        return
    assert type(outcome) is Refusal
    counters.rejected += 1
    counters.count_key(request.key, "rejected")
    errors = [{"index": 0, **item} for item in outcome.errors]
    members: dict[str, Any] = {"errors": errors} if errors else {}
    if outcome.event_id is not None:
        members["event_id"] = outcome.event_id
    request.connection.answer(problem(outcome.status, outcome.code, outcome.detail, **members))


def _result(request: EventRequest, index: int, item: Outcome) -> dict[str, Any]:
    """What became of one event of a batch, which is counted too."""
    counters = request.counters
    counters.count_key(request.key, "rejected" if type(item) is Refusal else "accepted")
    if type(item) is OutgoingRecord:
        counters.accepted += 1
        if item.errors is None:
            return _item(index, 200, "success", item.event_id)
        counters.dead_lettered += 1
        return _item(index, 202, "dead_lettered", item.event_id, errors=item.errors)
    if type(item) is Sampled:
        counters.sampled += 1
        return _item(index, 200, "sampled_out", item.event_id)
    if type(item) is Ignored:
        counters.ignored[item.call] += 1
        return _item(index, 200, "ignored", item.event_id)
    assert type(item) is Refusal
    counters.rejected += 1
    explained = code_of("http", item.code)
    told = {"reason": item.code, "detail": item.detail, "explain": explained, "errors": item.errors}
    return _item(index, item.status, "rejected", item.event_id, **told)


def _told(results: list[dict[str, Any]]) -> str:
    """How many events of a batch were stored as they are, kept as dead letters, or refused."""
    kept = sum(item["code"] == 202 for item in results)
    refused = sum(item["code"] not in (200, 202) for item in results)
    return f"of {len(results)} events {kept} are kept as dead letters and {refused} are refused: see results"


def _item(index: int, code: int, status: str, event_id: str | None, **members: Any) -> dict[str, Any]:
    return {"index": index, "status": status, "code": code, "event_id": event_id, **members}


def _unavailable(reason: str, **members: Any) -> Answer:
    """503 with the ids to retry with: nothing of this is acknowledged."""
    detail = f"{reason}; send it again with the same id, or Idempotency-Key, and nothing is stored twice"
    return problem(503, "unavailable", detail, retry_after=RETRY_AFTER, **members)
