"""The way of events from a request's body to Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.events.violation import ViolationBudget
from etld.ingest.admission import Admission, Admitted
from etld.ingest.cloudevents import BATCHED, BINARY, STRUCTURED, CloudEvents, NotCloudEvent, from_headers, mode_of
from etld.ingest.event_request import EventRequest, RequestReader, is_ndjson, speaks_segment
from etld.ingest.http.answers import HttpRefusal, problem
from etld.ingest.outcomes import Origin, Outcome, OutgoingRecord, Refusal
from etld.ingest.pending import PendingBatch, PendingEvent, answer_unkept
from etld.ingest.producer_thread import KafkaUnavailable
from etld.ingest.segment import SegmentMap
from etld.ingest.strict_json import NotJson, parse, split_list
from etld.ingest.triage import Triage

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.config import Config
    from etld.ingest.http.connection import HttpConnection
    from etld.ingest.http.request import HttpRequest
    from etld.ingest.keys import Key
    from etld.ingest.producer_thread import ProducerThread
    from etld.ingest.runtime import IngestRuntime
    from etld.schemas.catalog import Catalog

_PAUSED = "ingest is paused"


class EventEndpoints:
    """Serves /track and /v1/batch; built anew at each reload."""

    def __init__(self, config: Config, catalog: Catalog, admission: Admission, runtime: IngestRuntime) -> None:
        ingest = config.ingest
        self._ingest = ingest
        self._max_event = ingest.max_event
        self._max_depth = ingest.max_depth
        self._ack = ingest.ack
        self._admission = admission
        self._runtime = runtime
        self._segment: SegmentMap | None = None
        if ingest.segment:
            self._segment = SegmentMap(ingest.segment_map, catalog, dict(ingest.segment_calls))
        self._cloud_events = CloudEvents(ingest.cloudevents, catalog, ingest.max_depth)
        self._reader = RequestReader(ingest, self._segment)
        letters = config.kafka.dead_letter_topic
        self._triage = Triage(
            catalog, letters, keep_invalid=ingest.invalid == "dead_letter", max_event=ingest.max_event
        )

    @property
    def segment(self) -> bool:
        """Is Segment's spelling taken?"""
        return self._segment is not None

    def admit(self, connection: HttpConnection, http: HttpRequest) -> bool:
        """Judge a request before its body comes: address, key, rates; False while its key may be in the body.

        Raises `HttpRefusal`.
        """
        admission = self._admission
        if admission.unrestricted:
            return True
        try:
            admitted = self._judge_head(connection, http)
            if admitted.key is None and admission.asks_keys:
                if not self._may_hold_key(http):
                    admission.find_key(None, self._runtime.status.wall)
                return False
        except HttpRefusal as refused:
            self._runtime.counters.refused(refused.answer.status, _key_of(http))
            raise
        return True

    def _judge_head(self, connection: HttpConnection, http: HttpRequest) -> Admitted:
        """Address and key pay for one event before anything is looked at, be it good or not."""
        admission, status = self._admission, self._runtime.status
        http.admitted = admitted = Admitted()
        admitted.site = admission.charge_address(connection.peer, http, status.now)
        text = admission.key_of_head(http)
        if text is not None:
            admitted.key = admission.find_key(text, status.wall)
            admission.charge_key(admitted, status.now)
        return admitted

    def _judge_body(self, http: HttpRequest) -> None:
        """The key is not in the head: it has to be in the body."""
        admission, status = self._admission, self._runtime.status
        http.admitted.key = admission.find_key(self._key_in_body(http), status.wall)
        admission.charge_key(http.admitted, status.now)

    def _may_hold_key(self, http: HttpRequest) -> bool:
        """Do Segment's libraries put a key into bodies of this kind?"""
        return self._segment is not None and speaks_segment(http) and not is_ndjson(http)

    def _key_in_body(self, http: HttpRequest) -> str | None:
        """The `writeKey` that Segment's libraries put beside the call or the batch."""
        if not self._may_hold_key(http):
            return None
        body = self._reader.take_body(http)
        # It is decoded now: whoever takes it next has it as it is.
        http.body = body
        http.headers.pop("content-encoding", None)
        if b'"writeKey"' not in body:
            return None
        document = self._document(body)
        key = document.get("writeKey") if type(document) is dict else None
        return key if type(key) is str else None

    def track(self, connection: HttpConnection, http: HttpRequest) -> None:
        """POST /track, POST /v1/track: one event."""
        self._serve(connection, http, self._track)

    def batch(self, connection: HttpConnection, http: HttpRequest) -> None:
        """POST /v1/batch: `{"batch": [event, …]}`, or an event a line."""
        self._serve(connection, http, self._batch)

    def _serve(
        self, connection: HttpConnection, http: HttpRequest, take: Callable[[EventRequest, bytes], None]
    ) -> None:
        admission, counters = self._admission, self._runtime.counters
        try:
            key = None
            if not admission.unrestricted:
                admitted = http.admitted or self._judge_head(connection, http)
                if admitted.key is None and admission.asks_keys:
                    self._judge_body(http)
                key = admitted.key
            request = EventRequest(connection, http, key, self._ack, counters, self._runtime.status.now)
            mode = mode_of(http)
            if mode is not None:
                self._cloud(request, self._reader.take_body(http), mode)
            else:
                take(request, self._reader.take_body(http))
        except HttpRefusal as refused:
            counters.refused(refused.answer.status, _key_of(http))
            connection.answer(refused.answer)

    # One event

    def _track(self, request: EventRequest, body: bytes) -> None:
        self._check_size(body)
        event = _parse(body, self._max_depth)
        http = request.http
        request.ack = self._reader.ack(http)
        outcome = self._triage.decide(event, body, 0, self._reader.origin(http, request.key), ViolationBudget())
        self._send(request, outcome)

    def _check_size(self, body: bytes) -> None:
        limit = self._max_event
        if len(body) > limit:
            detail = f"an event may have {limit} bytes"
            raise HttpRefusal(problem(413, "event_too_large", detail, limit=limit))

    def _send(self, request: EventRequest, outcome: Outcome) -> None:
        if type(outcome) is not OutgoingRecord:
            answer_unkept(request, outcome)
            return
        producer = self._runtime.producers.get(request.ack)
        pending = PendingEvent(producer, request, outcome)
        enqueued = request.ack == "enqueued"
        reason = self._unavailable(producer)
        if not reason:
            try:
                producer.send(
                    outcome.topic, outcome.event_id, outcome.value, outcome.headers, None if enqueued else pending
                )
            except KafkaUnavailable as error:
                reason = str(error)
        if reason:
            pending.give_up(reason)
        elif enqueued:
            pending.finish(late=False)
        else:
            producer.wait(pending)

    def _unavailable(self, producer: ProducerThread) -> str:
        """Why nothing can be sent now; "" while something can."""
        return producer.contact.away or (_PAUSED if self._runtime.worker.paused else "")

    # CloudEvents

    def _cloud(self, request: EventRequest, body: bytes, mode: str) -> None:
        http = request.http
        if mode == BATCHED:
            document = self._document(b'{"batch":%s}' % body)
            events = document.get("batch")
            if type(events) is not list or len(document) != 1:
                raise HttpRefusal(problem(400, "not_a_batch", "a batch of CloudEvents is a JSON array"))
            self._decide_events(request, events, self._decide_cloud)
            return
        self._check_size(body)
        sent = _parse(body, self._max_depth) if body or mode == STRUCTURED else None
        if mode == BINARY:
            sent = from_headers(http, sent)
        request.ack = self._reader.ack(http)
        origin = self._reader.origin(http, request.key)
        self._send(request, self._decide_cloud(sent, None, 0, origin, ViolationBudget()))

    def _decide_cloud(self, sent: Any, text: None, index: int, origin: Origin, budget: ViolationBudget) -> Outcome:
        try:
            event = self._cloud_events.event(sent)
        except NotCloudEvent as wrong:
            return Refusal(400, "not_a_cloudevent", str(wrong), [])
        return self._triage.decide(event, text, index, origin, budget)

    # Many events

    def _batch(self, request: EventRequest, body: bytes) -> None:
        http = request.http
        if not is_ndjson(http):
            self._decide_events(request, self._listed(body), self._triage.decide)
            return
        items = _lines(body)
        self._charge(request, len(items))
        request.ack = self._reader.ack(http)
        origin = self._reader.origin(http, request.key)
        self._send_all(request, self._decide_lines(items, origin, ViolationBudget()))

    def _decide_events(self, request: EventRequest, events: list[Any], decide: Callable[..., Outcome]) -> None:
        """Of a JSON batch; a `Refusal` among the events stays what it is."""
        self._charge(request, len(events))
        request.ack = self._reader.ack(request.http)
        origin = self._reader.origin(request.http, request.key)
        budget = ViolationBudget()
        outcomes = [
            event if type(event) is Refusal else decide(event, None, index, origin, budget)
            for index, event in enumerate(events)
        ]
        self._send_all(request, outcomes)

    def _listed(self, body: bytes) -> list[Any]:
        """The events of a JSON batch; a `Refusal` stands for each that is not JSON, where the others are."""
        document = self._document(body)
        events = document.get("batch") if type(document) is dict else None
        if type(events) is not list:
            detail = 'a batch is {"batch": [event, …]}, or an event a line as application/x-ndjson'
            raise HttpRefusal(problem(400, "not_a_batch", detail))
        if self._segment is not None and len(document) > 1:
            self._segment.share(document, events)
        return events

    def _document(self, body: bytes) -> Any:
        try:
            return parse(body, self._max_depth + 2)
        except NotJson as error:
            return self._apart(body, error)

    def _apart(self, body: bytes, error: NotJson) -> Any:
        """A batch that is not JSON as a whole, each of its events read by itself."""
        try:
            document, texts = split_list(body, b"batch", self._max_depth + 2)
        except NotJson:
            raise _not_json(error) from None
        if not texts:
            raise _not_json(error)
        events: list[Any] = []
        for index, text in enumerate(texts):
            try:
                events.append(parse(text, self._max_depth))
            except NotJson as wrong:
                events.append(Refusal(400, "not_json", f"event {index} of the batch is not JSON: {wrong}", []))
        document["batch"] = events
        return document

    def _charge(self, request: EventRequest, count: int) -> None:
        """Refuse a batch that is too large; all but its first event, which is paid for, are put down."""
        limit = self._ingest.max_batch
        if count > limit:
            detail = f"a batch may have {limit} events, this one has {count}"
            raise HttpRefusal(problem(413, "batch_too_large", detail, limit=limit))
        if count > 1 and not self._admission.unrestricted:
            self._admission.charge_batch(request.http.admitted, count - 1, request.started)

    def _decide_lines(self, texts: list[bytes], origin: Origin, budget: ViolationBudget) -> list[Outcome]:
        limit, max_depth, decide = self._max_event, self._max_depth, self._triage.decide
        outcomes: list[Outcome] = []
        for index, text in enumerate(texts):
            if len(text) > limit:
                outcomes.append(Refusal(413, "event_too_large", f"an event may have {limit} bytes", []))
                continue
            try:
                event = parse(text, max_depth)
            except NotJson as error:
                outcomes.append(Refusal(400, "not_json", f"line {index + 1} is not JSON: {error}", []))
            else:
                outcomes.append(decide(event, text, index, origin, budget))
        return outcomes

    def _send_all(self, request: EventRequest, outcomes: list[Outcome]) -> None:
        producer = self._runtime.producers.get(request.ack)
        pending = PendingBatch(producer, request, outcomes)
        pending.reason = self._unavailable(producer)
        enqueued = request.ack == "enqueued"
        sent = 0
        if not pending.reason:
            send, told = producer.send, None if enqueued else pending
            try:
                for item in outcomes:
                    if type(item) is OutgoingRecord:
                        send(item.topic, item.event_id, item.value, item.headers, told)
                        sent += 1
            except KafkaUnavailable as error:
                pending.reason = str(error)
        pending.sent = pending.expected = sent
        if enqueued or not sent:
            pending.finish(late=False)
        else:
            producer.wait(pending)


def _key_of(http: HttpRequest) -> Key | None:
    admitted: Admitted | None = http.admitted
    return None if admitted is None else admitted.key


def _parse(body: bytes, max_depth: int) -> Any:
    try:
        return parse(body, max_depth)
    except NotJson as error:
        raise _not_json(error) from None


def _not_json(error: NotJson) -> HttpRefusal:
    return HttpRefusal(problem(400, "not_json", f"the body is not JSON: {error}"))


def _lines(body: bytes) -> list[Any]:
    return [line for line in body.split(b"\n") if line and not line.isspace()]
