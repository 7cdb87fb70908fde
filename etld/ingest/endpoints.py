"""The way of an event from a request's body to Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from etld.events.violation import Room
from etld.ingest.admission import Denied
from etld.ingest.http.answers import Answer, json_answer, problem
from etld.ingest.http.body import BodyProblem, undo
from etld.ingest.pending import PendingBatch, PendingEvent, unavailable
from etld.ingest.producer_thread import KafkaUnavailable
from etld.ingest.producers import ACKS
from etld.ingest.segment import SegmentMap
from etld.ingest.strict_json import NotJson, check, parse
from etld.ingest.triage import Origin, Outcome, OutgoingRecord, Refusal, Sampled, Triage

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage

    from etld.config import Config
    from etld.ingest.http.connection import Connection
    from etld.ingest.keys import Key
    from etld.ingest.producers import Ack, Producers
    from etld.ingest.service import Service
    from etld.schemas.catalog import Catalog

NDJSON = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
    }
)
_PLAIN = Origin()
_PAUSED = "ingest is paused"
_MAX_IDEMPOTENCY_KEY = 255


class EventEndpoints:
    """Serves /track and /v1/batch; built anew at each reload around the same producers."""

    def __init__(self, config: Config, catalog: Catalog, producers: Producers) -> None:
        ingest = config.ingest
        self.catalog = catalog
        self.producers = producers
        self._ingest = ingest
        self._ack: Ack = ingest.ack
        self._segment = SegmentMap(ingest.segment_map, catalog) if ingest.segment else None
        self._triage = Triage(
            catalog,
            keep_invalid=ingest.invalid == "dead_letter",
            max_event=ingest.max_event,
        )
        self._max_event = ingest.max_event
        self._max_depth = ingest.max_depth
        self._plain_v1 = Origin(segment=self._segment)

    def track(
        self,
        service: Service,
        connection: Connection,
        message: RawRequestMessage,
        body: bytes,
    ) -> None:
        """POST /track, POST /v1/track: one event."""
        headers = message.headers
        key = self._admit(service, connection, headers)
        body = self._undo(headers, body)
        if len(body) > self._max_event:
            raise Denied(_event_too_large(self._max_event))
        event = _parse(body, self._max_depth)
        ack = self._level(headers)
        outcome = self._triage.decide(event, body, 0, self._origin(headers, key, message.path), Room())
        counters = service.counters
        if type(outcome) is not OutgoingRecord:
            counters.count_key(key, "rejected" if type(outcome) is Refusal else "accepted")
            connection.answer(_unkept(outcome, service, ack))
            return
        producer = self.producers.get(ack)
        pending = PendingEvent(producer, connection, outcome, ack, counters, service.now, key)
        reason = producer.contact.away or (_PAUSED if service.worker.paused else "")
        if not reason:
            try:
                producer.send(
                    outcome.topic,
                    outcome.event_id,
                    outcome.value,
                    outcome.headers,
                    None if ack == "enqueued" else pending,
                )
            except KafkaUnavailable as error:
                reason = str(error)
        if reason:
            counters.unavailable += 1
            counters.count_key(key, "unavailable")
            connection.answer(unavailable(reason, event_id=outcome.event_id))
        elif ack == "enqueued":
            pending.finish(False)
        else:
            producer.wait(pending)

    def batch(
        self,
        service: Service,
        connection: Connection,
        message: RawRequestMessage,
        body: bytes,
    ) -> None:
        """POST /v1/batch: `{"batch": [event, …]}`, or an event a line."""
        headers = message.headers
        key = self._admit(service, connection, headers)
        body = self._undo(headers, body)
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind in NDJSON:
            texts: list[bytes] | None = [line for line in body.split(b"\n") if line and not line.isspace()]
            count = len(texts or ())
            events: list[Any] = []
        else:
            texts = None
            document = _parse(body, self._max_depth + 2)
            events = _listed(document)
            count = len(events)
            if self._segment is not None and len(document) > 1:
                self._segment.share(document, events)
        if count > self._ingest.max_batch:
            limit = self._ingest.max_batch
            detail = f"a batch may have {limit} events, this one has {count}"
            raise Denied(problem(413, "batch_too_large", detail, limit=limit))
        self._charge(service, connection, headers, key, count)
        ack = self._level(headers)
        origin = self._origin(headers, key, message.path)
        room = Room()
        if texts is None:
            decide = self._triage.decide
            outcomes = [decide(event, None, index, origin, room) for index, event in enumerate(events)]
        else:
            outcomes = [self._line(text, index, origin, room) for index, text in enumerate(texts)]
        self._send_all(service, connection, outcomes, ack, key)

    def _send_all(
        self,
        service: Service,
        connection: Connection,
        outcomes: list[Outcome],
        ack: Ack,
        key: Key | None,
    ) -> None:
        producer = self.producers.get(ack)
        pending = PendingBatch(producer, connection, outcomes, ack, service.counters, service.now, key)
        pending.reason = producer.contact.away or (_PAUSED if service.worker.paused else "")
        sent = 0
        if not pending.reason:
            target = None if ack == "enqueued" else pending
            send = producer.send
            try:
                for item in outcomes:
                    if type(item) is OutgoingRecord:
                        send(item.topic, item.event_id, item.value, item.headers, target)
                        sent += 1
            except KafkaUnavailable as error:
                pending.reason = str(error)
        pending.sent = sent
        pending.expected = sent
        if ack == "enqueued" or not sent:
            pending.finish(False)
        else:
            producer.wait(pending)

    def _line(self, text: bytes, index: int, origin: Origin, room: Room) -> Outcome:
        if len(text) > self._max_event:
            return Refusal(413, "event_too_large", f"an event may have {self._max_event} bytes", [])
        try:
            event = check(text, orjson.loads(text), self._max_depth)
        except (orjson.JSONDecodeError, NotJson):
            try:
                parse(text, self._max_depth)
            except NotJson as error:
                return Refusal(400, "not_json", f"line {index + 1} is not JSON: {error}", [])
            raise
        return self._triage.decide(event, text, index, origin, room)

    def _admit(self, service: Service, connection: Connection, headers: Any) -> Key | None:
        admission = service.admission
        if admission.unrestricted:
            return None
        # Address and key pay for one event before anything is looked at, be it good or not.
        address = admission.charge_address(connection.peer, headers, service.now)
        service.key = key = admission.key(headers, service.wall)
        if key is not None:
            admission.charge_key(key, address, service.now)
        return key

    def _charge(
        self,
        service: Service,
        connection: Connection,
        headers: Any,
        key: Key | None,
        count: int,
    ) -> None:
        """For all but the first event, which is paid for."""
        if count > 1 and not service.admission.unrestricted:
            service.admission.charge_batch(connection.peer, headers, key, count - 1, service.now)

    def _undo(self, headers: Any, body: bytes) -> bytes:
        coding = headers.get("Content-Encoding")
        if coding is None:
            return body
        try:
            return undo(body, coding, self._ingest.max_body)
        except BodyProblem as error:
            raise Denied(problem(error.status, error.code, error.detail)) from None

    def _origin(self, headers: Any, key: Key | None, path: str) -> Origin:
        idempotency = headers.get("Idempotency-Key")
        segment = self._segment if path.startswith("/v1/") else None
        if idempotency is None and key is None:
            return _PLAIN if segment is None else self._plain_v1
        if idempotency is not None and not 0 < len(idempotency) <= _MAX_IDEMPOTENCY_KEY:
            detail = f"Idempotency-Key: expected 1 to {_MAX_IDEMPOTENCY_KEY} characters"
            raise Denied(problem(400, "bad_idempotency_key", detail))
        if idempotency is not None:
            # Header bytes that are no UTF-8 come as surrogates, which no id may hold.
            idempotency = idempotency.encode("utf-8", "backslashreplace").decode()
            if key is not None and key.client is not None:
                idempotency = f"{key.client}\x1f{idempotency}"
        return Origin(key, idempotency, segment)

    def _level(self, headers: Any) -> Ack:
        if not self._ingest.ack_per_request:
            return self._ack
        asked = headers.get("X-Etld-Ack")
        if asked is None:
            return self._ack
        for level in ACKS:
            if level == asked.strip().lower():
                return level
        raise Denied(problem(400, "bad_ack", f"X-Etld-Ack: expected one of {', '.join(ACKS)}"))


def _parse(body: bytes, max_depth: int) -> Any:
    try:
        return parse(body, max_depth)
    except NotJson as error:
        raise Denied(problem(400, "not_json", f"the body is not JSON: {error}")) from None


def _listed(document: Any) -> list[Any]:
    events = document.get("batch") if type(document) is dict else None
    if type(events) is not list:
        detail = 'a batch is {"batch": [event, …]}, or an event a line as application/x-ndjson'
        raise Denied(problem(400, "not_a_batch", detail))
    return events


def _event_too_large(limit: int) -> Answer:
    return problem(413, "event_too_large", f"an event may have {limit} bytes", limit=limit)


def _unkept(outcome: Outcome, service: Service, ack: Ack) -> Answer:
    """The answer to a single event that does not go to Kafka."""
    if type(outcome) is Sampled:
        service.counters.sampled += 1
        return json_answer(200, {"status": "sampled_out", "event_id": outcome.event_id, "ack": ack})
    assert type(outcome) is Refusal
    service.counters.rejected += 1
    errors = [{"index": 0, **item} for item in outcome.errors]
    members: dict[str, Any] = {"errors": errors} if errors else {}
    if outcome.event_id is not None:
        members["event_id"] = outcome.event_id
    return problem(outcome.status, outcome.code, outcome.detail, **members)
