"""A daemon as the corrector's tests see it: events in, letters, rows and the audit out."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Sequence
from typing import Any

import confluent_kafka
import psycopg

from support.daemon import Daemon
from support.waiting import wait_until


class EtldClient:
    """A daemon, its table and its topics."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        addresses = daemon.status()["addresses"]
        self.http, self.kafka, self.dsn = addresses["http"], addresses["kafka"], addresses["postgres"]

    def sql(self, statement: str, *parameters: Any) -> list[Any]:
        """Run a statement in a transaction of its own; its rows."""
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            cursor = conn.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def post(self, path: str, body: Any, **headers: str) -> dict[str, Any]:
        """POST JSON; the answer, which has to be a 2xx."""
        named = {"Content-Type": "application/json"} | {key.replace("_", "-"): value for key, value in headers.items()}
        request = urllib.request.Request(self.http + path, json.dumps(body).encode(), named)
        with urllib.request.urlopen(request, timeout=30) as answer:
            got: dict[str, Any] = json.load(answer)
        return got

    def track(self, event: dict[str, Any], **headers: str) -> dict[str, Any]:
        """Send one event."""
        return self.post("/track", event, **headers)

    def send(self, events: list[dict[str, Any]]) -> None:
        """Send many, in batches."""
        for start in range(0, len(events), 500):
            self.post("/v1/batch", {"batch": events[start : start + 500]})

    def produce(
        self, key: str, value: bytes | None, topic: str = "event_purchase", milliseconds: int | None = None
    ) -> None:
        """Write a record past ingest, of that time since 1970 or of now."""
        producer = confluent_kafka.Producer(self.daemon.kafka_client(message_max_bytes=8 << 20))
        producer.produce(topic, value, key.encode(), **({} if milliseconds is None else {"timestamp": milliseconds}))
        assert producer.flush(20) == 0

    def produce_all(self, records: Sequence[tuple[str, bytes]], topic: str = "event_purchase") -> None:
        """Write many (key, value) past ingest."""
        producer = confluent_kafka.Producer(self.daemon.kafka_client(linger_ms=20))
        for key, value in records:
            producer.produce(topic, value, key.encode())
            producer.poll(0)
        assert producer.flush(30) == 0

    def queue(self, event: dict[str, Any]) -> None:
        """Write an event as JSON into the dead letter queue, past ingest, which refuses more than JSON does."""
        headers = {
            "__connect.errors.stage": "VALIDATION",
            "__connect.errors.exception.class.name": "InvalidEvent",
            "__connect.errors.exception.message": "written by hand",
            "etld.event_id": event["event_id"],
            "etld.event_type": event["event_type"],
            "etld.dead_letter_id": str(uuid.uuid4()),
        }
        producer = confluent_kafka.Producer(self.daemon.kafka_client())
        producer.produce("dead_letter_queue", json.dumps(event).encode(), headers=list(headers.items()))
        assert producer.flush(20) == 0

    def letter(self, event_id: str, state: str, timeout: float = 40) -> dict[str, Any]:
        """The letter of an event, once it has come to that state."""

        def there() -> bool:
            return self.sql("SELECT state FROM etld.dead_letter WHERE event_id = %s", event_id) == [(state,)]

        try:
            wait_until(there, timeout)
        except AssertionError:
            print(self.daemon.cli("dlq", "show", event_id, check=False).stdout)
            raise
        found: dict[str, Any] = self.daemon.json("dlq", "show", event_id)
        return found

    def stored(self, *event_ids: str) -> int:
        """How many of these events are rows: a count of all rows has the events of other tests on the same topics."""
        found = self.sql("SELECT count(*) FROM processed_events WHERE event_id = ANY(%s::uuid[])", list(event_ids))
        return int(found[0][0])

    def price(self, event_id: str) -> Any:
        """The price of a stored event, None when it is not there."""
        found = self.sql("SELECT event_details -> 'price' FROM processed_events WHERE event_id = %s::uuid", event_id)
        return found[0][0] if found else None

    def listed(self, *options: str) -> list[dict[str, Any]]:
        """What `etld dlq list` tells."""
        return [json.loads(line) for line in self.daemon.cli("dlq", "list", "--json", *options).stdout.splitlines()]

    def jobs(self, limit: int) -> list[dict[str, Any]]:
        """The last replays and discards of many letters."""
        told = self.daemon.cli("dlq", "jobs", "--limit", str(limit), "--json").stdout
        return [json.loads(line) for line in told.splitlines()]

    def states(self) -> dict[str, int]:
        """Number of letters by state, without those that have none."""
        return dict(self.sql("SELECT state, count(*) FROM etld.dead_letter GROUP BY 1"))

    def chains(self) -> dict[tuple[str, ...], int]:
        """How often each sequence of outcomes is on record; every letter's attempts are numbered without gaps."""
        rows = self.sql(
            "SELECT d.attempts, array_agg(a.attempt ORDER BY a.attempt), array_agg(a.outcome ORDER BY a.attempt)"
            " FROM etld.dead_letter d JOIN etld.dead_letter_attempt a ON a.dead_letter_id = d.id GROUP BY d.id"
        )
        found: dict[tuple[str, ...], int] = {}
        for attempts, numbers, outcomes in rows:
            assert numbers == list(range(1, attempts + 1))
            found[tuple(outcomes)] = found.get(tuple(outcomes), 0) + 1
        return found
