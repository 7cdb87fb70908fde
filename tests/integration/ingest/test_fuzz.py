"""Mutated bodies and raw bytes: answers are truthful, and the good events among them are kept."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from support.events import event
from support.fuzzing import examples
from support.ingest import TYPES, Ingest, read

REQUESTS = examples(1500)


def mutated(source: random.Random, good: bytes) -> bytes:
    """The body with one to six mistakes."""
    body = bytearray(good)
    for _ in range(source.randint(1, 6)):
        place = source.randrange(len(body))
        match source.randrange(4):
            case 0:
                body[place] = source.randrange(256)
            case 1:
                del body[place : place + source.randint(1, 9)]
            case 2:
                body[place:place] = bytes(source.randrange(256) for _ in range(source.randint(1, 5)))
            case 3:
                body[place:place] = body[source.randrange(len(body)) :][:20]
        if not body:
            body = bytearray(b"x")
    return bytes(body)


def answers(raw: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """(status, document) of each answer on a connection; a broken head may make two requests of one."""
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        length = re.search(rb"\r\nContent-Length: (\d+)", head)
        size = int(length[1]) if length else 0
        text = rest[:size]
        yield int(head[9:12]), json.loads(text) if text[:1] == b"{" else {}
        raw = rest[size:]


def vouched(status: int, answer: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """(event id, code) of every event that the answer says etld has."""
    if "results" in answer:
        yield from ((item["event_id"], item["code"]) for item in answer["results"] if item["code"] in (200, 202))
    elif status in (200, 202):
        for own in answer.get("event_ids", [answer.get("event_id")]):
            if own is not None:
                yield own, status


def test_garbage_never_hurts(ingest: Ingest, kafka: str) -> None:
    """No fault of etld's own, no silence for a whole request, and what a 2xx vouches for is in Kafka."""
    source = random.Random(8)
    good = json.dumps(event()).encode()
    statuses: Counter[int] = Counter()
    told: list[tuple[str, int]] = []
    for number in range(REQUESTS):
        body = mutated(source, good)
        path = source.choice((b"/track", b"/v1/track", b"/v1/batch"))
        kind = source.choice((b"application/json", b"application/x-ndjson"))
        head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (
            path,
            kind,
            len(body),
        )
        broken = bytearray(head)
        if number % 3 == 0:
            broken[source.randrange(len(broken))] = source.randrange(256)
        found = list(answers(ingest.raw(bytes(broken) + body)))
        # Only a broken head can announce more than ever comes.
        assert found or bytes(broken) != head, (bytes(broken), body)
        for status, answer in found:
            statuses[status] += 1
            told += vouched(status, answer)
            # A broken head may name a version or a coding that etld does not speak; nothing else is the server's fault.
            spoken = (503,) if bytes(broken) == head else (501, 503, 505)
            assert status < 500 or status in spoken, (status, bytes(broken), body)
        if number % 50 == 0:
            status, answer = ingest.post("/track", event())
            assert status == 200
            told += vouched(status, answer)
    assert ingest.request("GET", "/readyz")[0] == 200
    topics = json.loads(ingest.config.schemas_path.read_text())["event_types"]
    stored = {record.key().decode() for name in TYPES for record in read(kafka, topics[name]["topic"])}
    letters = {record.key().decode() for record in read(kafka, ingest.letters)}
    assert len([code for _, code in told if code == 200]) > REQUESTS // 50
    assert [own for own, code in told if own not in (stored if code == 200 else letters)] == []
