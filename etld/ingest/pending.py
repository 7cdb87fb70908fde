"""Requests that wait for Kafka, and the answers they get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from etld.ingest.http.answers import JSON, json_answer, opening, problem
from etld.ingest.producer_thread import PendingRequest
from etld.ingest.triage import Outcome, OutgoingRecord, Refusal, Sampled

if TYPE_CHECKING:
    from etld.ingest.counters import IngestCounters
    from etld.ingest.http.connection import Connection
    from etld.ingest.keys import Key
    from etld.ingest.producer_thread import ProducerThread
    from etld.ingest.producers import Ack

RETRY_AFTER = 1
_OK = opening(200, JSON)
_LATE = "Kafka did not acknowledge in time"


class PendingEvent(PendingRequest):
    """One event on its way."""

    __slots__ = ("ack", "connection", "counters", "key", "record")

    def __init__(
        self,
        producer: ProducerThread,
        connection: Connection,
        record: OutgoingRecord,
        ack: Ack,
        counters: IngestCounters,
        started: float,
        key: Key | None,
    ) -> None:
        super().__init__(producer, 1, started)
        self.key = key
        self.connection = connection
        self.record = record
        self.ack = ack
        self.counters = counters

    def finish(self, late: bool) -> None:
        """200, 202 for a dead letter, or 503."""
        record = self.record
        if self.key is not None and not (late or self.failed):
            self.counters.by_key[self.key.name, "accepted"] += 1
        if late or self.failed:
            reason = _LATE if late or not self.failed else self.failed[0][1]
            self.counters.unavailable += 1
            self.counters.count_key(self.key, "unavailable")
            self.connection.answer(unavailable(reason, event_id=record.event_id))
        elif record.errors is None:
            self.counters.accepted += 1
            body = f'{{"status":"success","event_id":"{record.event_id}","ack":"{self.ack}"}}'
            self.connection.send(_OK, body.encode())
        else:
            self.counters.accepted += 1
            self.counters.dead_lettered += 1
            self.connection.answer(
                json_answer(
                    202,
                    {
                        "status": "dead_lettered",
                        "event_id": record.event_id,
                        "ack": self.ack,
                        "errors": [{"index": 0, **item} for item in record.errors],
                    },
                )
            )


class PendingBatch(PendingRequest):
    """Many events on their way; `unsent` are the indexes that never left, and `reason` why."""

    __slots__ = ("ack", "connection", "counters", "key", "outcomes", "reason", "sent")

    def __init__(
        self,
        producer: ProducerThread,
        connection: Connection,
        outcomes: list[Outcome],
        ack: Ack,
        counters: IngestCounters,
        started: float,
        key: Key | None,
    ) -> None:
        super().__init__(producer, len(outcomes) + 1, started)
        self.key = key
        self.connection = connection
        self.outcomes = outcomes
        self.ack = ack
        self.counters = counters
        self.sent = 0
        self.reason = ""

    def finish(self, late: bool) -> None:
        """200 when every event was accepted, 503 when Kafka took none, else 207 with a result each."""
        outcomes, counters = self.outcomes, self.counters
        # A late batch has parts that are written and parts that are not: the ids make all of it safe to repeat.
        if late or self.failed or self.reason:
            self._partly(late)
        elif all(type(item) is OutgoingRecord and item.errors is None for item in outcomes):
            counters.accepted += len(outcomes)
            if self.key is not None:
                counters.by_key[self.key.name, "accepted"] += len(outcomes)
            ids = [item.event_id for item in outcomes]
            document = {
                "status": "success",
                "accepted": len(ids),
                "ack": self.ack,
                "event_ids": ids,
            }
            self.connection.send(_OK, orjson.dumps(document))
        else:
            self._results([self._result(index, item) for index, item in enumerate(outcomes)])

    def _partly(self, late: bool) -> None:
        reason = self.reason or (_LATE if late else "Kafka did not take it")
        lost = {(key or b"").decode(): text for key, text in self.failed or ()}
        results = []
        position = 0
        for index, item in enumerate(self.outcomes):
            if type(item) is OutgoingRecord:
                position += 1
                if late or position > self.sent or item.event_id in lost:
                    self.counters.unavailable += 1
                    self.counters.count_key(self.key, "unavailable")
                    text = lost.get(item.event_id, reason)
                    results.append(_item(index, 503, "unavailable", item.event_id, detail=text))
                    continue
            results.append(self._result(index, item))
        if all(item["code"] == 503 for item in results):
            ids = [item["event_id"] for item in results]
            self.connection.answer(unavailable(reason, event_ids=ids))
        else:
            self._results(results)

    def _result(self, index: int, item: Outcome) -> dict[str, Any]:
        counters = self.counters
        counters.count_key(self.key, "rejected" if type(item) is Refusal else "accepted")
        if type(item) is OutgoingRecord:
            counters.accepted += 1
            if item.errors is None:
                return _item(index, 200, "success", item.event_id)
            counters.dead_lettered += 1
            return _item(index, 202, "dead_lettered", item.event_id, errors=item.errors)
        if type(item) is Sampled:
            counters.sampled += 1
            return _item(index, 200, "sampled_out", item.event_id)
        assert type(item) is Refusal
        counters.rejected += 1
        return _item(
            index,
            item.status,
            "rejected",
            item.event_id,
            reason=item.code,
            detail=item.detail,
            errors=item.errors,
        )

    def _results(self, results: list[dict[str, Any]]) -> None:
        codes = [item["code"] for item in results]
        if all(code == 200 for code in codes):
            status, word = 200, "success"
        else:
            status, word = 207, "partial"
        document = {
            "status": word,
            "accepted": sum(code in (200, 202) for code in codes),
            "ack": self.ack,
            "results": results,
        }
        retry = b"Retry-After: %d\r\n" % RETRY_AFTER if 503 in codes else b""
        self.connection.answer(json_answer(status, document, retry))


def _item(index: int, code: int, status: str, event_id: str | None, **members: Any) -> dict[str, Any]:
    return {
        "index": index,
        "status": status,
        "code": code,
        "event_id": event_id,
        **members,
    }


def unavailable(reason: str, **members: Any) -> Any:
    """503 with the ids to retry with: nothing of this is acknowledged."""
    detail = f"{reason}; send it again with the same id, or Idempotency-Key, and nothing is stored twice"
    return problem(503, "unavailable", detail, retry_after=RETRY_AFTER, **members)
