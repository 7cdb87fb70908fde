"""What a replay of parked events costs live traffic."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from client import drive, request
from front import IN_BATCH, _plain
from result import Result
from world import World, open_database, wait

_PARK = """
INSERT INTO etld.dead_letter (id, event_id, event_type, state, stage, error_class, error, value, announced)
SELECT gen_random_uuid(), e, 'purchase', 'parked', 'VALIDATION', 'InvalidEvent', 'price as text',
    convert_to(jsonb_set(%(event)s::jsonb, '{event_id}', to_jsonb(e))::text, 'UTF8'), true
FROM (SELECT gen_random_uuid()::text AS e FROM generate_series(1, %(count)s)) made
"""
_LIVE = "SELECT count(*) FROM processed_events WHERE event_details ->> 'item_name' <> 'replayed'"


def _broken() -> str:
    one = _plain(1)
    one["event_details"] |= {"item_name": "replayed", "price": "12.50"}
    return json.dumps(one)


def replay(world: World, name: str) -> Result:
    """Events a second from HTTP to the table while 100,000 parked events are replayed; reference: without."""
    letters, events = (2_000, 10_000) if world.quick else (100_000, 100_000)
    database = world.database()
    roles = {"ingest.workers": 1, "event_types.purchase.workers": 1, "corrector.workers": 1}
    result = Result(name, "events/s", [], [], "the same without a replay")
    done = []

    def bodies() -> Iterator[bytes]:
        for start in range(0, events, IN_BATCH):
            batch = [_plain(start + at) | {"event_id": str(uuid.uuid4())} for at in range(IN_BATCH)]
            yield request("/v1/batch", json.dumps({"batch": batch}).encode())

    with world.daemon(world.config(database, **roles)) as daemon, open_database(database) as conn:

        def count(query: str) -> int:
            row = conn.execute(query.encode()).fetchone()
            return int(row[0]) if row else 0

        def live() -> float:
            made = list(bodies())
            began = time.monotonic()
            load = drive(daemon.http, iter(made), 8)
            if load.failures:
                raise RuntimeError(f"{load.failures} of {load.answers} batches were not accepted")
            wait(lambda: count(_LIVE) >= events, 300, "the live events are stored", 0.1)
            return events / (time.monotonic() - began)

        def clear() -> None:
            conn.execute("DELETE FROM etld.dead_letter")
            conn.execute("TRUNCATE processed_events")

        live()
        for _ in range(world.pairs):
            clear()
            result.reference.append(live())
            clear()
            parameters: dict[str, Any] = {"event": _broken(), "count": letters}
            conn.execute(_PARK, parameters)
            daemon.etld("dlq", "replay", "--state", "parked", "--yes")
            result.values.append(live())
            done.append(count("SELECT count(*) FROM etld.dead_letter WHERE state = 'resolved'"))
    result.extra["replayed_meanwhile"] = sorted(done)[len(done) // 2]
    return result


BENCHES = {"replay": replay}
