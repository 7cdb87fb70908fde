"""A request that brings events, and what its headers say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.ingest.http.answers import HttpRefusal, problem
from etld.ingest.http.content_encoding import decoded
from etld.ingest.outcomes import Origin
from etld.ingest.producers import ACKS

if TYPE_CHECKING:
    from etld.config.sections.ingest import IngestSection
    from etld.ingest.counters import IngestCounters
    from etld.ingest.http.connection import HttpConnection
    from etld.ingest.http.request import HttpRequest
    from etld.ingest.keys import Key
    from etld.ingest.producers import Ack
    from etld.ingest.segment import SegmentMap

_NDJSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
#: Segment's calls other than track by the paths that its libraries have for them.
CALL_OF_PATH = {
    "/v1/page": "page",
    "/v1/p": "page",
    "/v1/screen": "screen",
    "/v1/s": "screen",
    "/v1/identify": "identify",
    "/v1/i": "identify",
    "/v1/group": "group",
    "/v1/g": "group",
    "/v1/alias": "alias",
    "/v1/a": "alias",
}
_PLAIN = Origin()
_MAX_IDEMPOTENCY_KEY = 255


@dataclass(slots=True)
class EventRequest:
    """`key` is the write key it came with, `ack` the durability that its answer waits for, `started` monotonic."""

    connection: HttpConnection
    http: HttpRequest
    key: Key | None
    ack: Ack
    counters: IngestCounters
    started: float


class RequestReader:
    """Reads what a request says beside its events; raises `HttpRefusal` for what it may not say."""

    def __init__(self, ingest: IngestSection, segment: SegmentMap | None) -> None:
        self._ingest = ingest
        self._segment = segment
        self._plain = {call: Origin(segment=segment, call=call) for call in ("track", *CALL_OF_PATH.values())}

    def take_body(self, http: HttpRequest) -> bytes:
        """The body before its Content-Encoding. The request gives it up: who waits for Kafka holds records only."""
        body, http.body = http.body, b""
        coding = http.headers.get("content-encoding")
        return body if coding is None else decoded(body, coding, self._ingest.max_body)

    def ack(self, http: HttpRequest) -> Ack:
        """The durability that is asked for, where that is the client's choice."""
        asked = http.headers.get("x-etld-ack") if self._ingest.ack_per_request else None
        if asked is None:
            return self._ingest.ack
        for level in ACKS:
            if level == asked.strip().lower():
                return level
        raise HttpRefusal(problem(400, "bad_ack", f"X-Etld-Ack: expected one of {', '.join(ACKS)}"))

    def origin(self, http: HttpRequest, key: Key | None) -> Origin:
        """What holds for each of the request's events. Segment's spelling is known below /v1/."""
        idempotency = http.headers.get("idempotency-key")
        segment = self._segment if speaks_segment(http) else None
        call = CALL_OF_PATH.get(http.path, "track")
        if idempotency is None and key is None:
            return _PLAIN if segment is None else self._plain[call]
        if idempotency is not None:
            if not 0 < len(idempotency) <= _MAX_IDEMPOTENCY_KEY:
                detail = f"Idempotency-Key: expected 1 to {_MAX_IDEMPOTENCY_KEY} characters"
                raise HttpRefusal(problem(400, "bad_idempotency_key", detail))
            # Header bytes that are no UTF-8 come as surrogates, which no id may hold.
            idempotency = idempotency.encode("utf-8", "backslashreplace").decode()
            if key is not None and key.client is not None:
                idempotency = f"{key.client}\x1f{idempotency}"
        return Origin(key, idempotency, segment, call)


def speaks_segment(http: HttpRequest) -> bool:
    """May its events be spelt as Segment spells them?"""
    return http.path.startswith(("/v1/", "/beacon/"))


def is_ndjson(http: HttpRequest) -> bool:
    """Does the body have an event a line?"""
    return http.headers.get("content-type", "").partition(";")[0].strip().lower() in _NDJSON
