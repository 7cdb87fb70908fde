"""How long a subject's erasure takes in a large table, and what it costs live traffic."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator

from bench.client import drive, request
from bench.environment import Environment, open_database, prepare
from bench.front import IN_BATCH, _plain
from bench.result import Result
from support.waiting import wait_until

_SUBJECT, _EVENTS = 9_999_999, 1000
_STOCK = """
INSERT INTO processed_events
    (event_id, event_name, event_type, user_details, event_details, triggered_at, kafka_partition, kafka_offset)
SELECT gen_random_uuid(), 'payment_successful', 'purchase',
    jsonb_build_object('user_id', CASE WHEN n %% %(every)s = 0 THEN %(subject)s ELSE n %% 100000 END,
        'name', 'Ada Lovelace', 'email', 'ada@example.org', 'country', 'GB'),
    '{"item_id": 7, "item_name": "Analytical Engine, model 7, brass and walnut", "price": 12.5}', now(), 0, n
FROM generate_series(%(begin)s + 1, %(begin)s + %(count)s) AS n
"""
_CONSUMED = (
    "SELECT coalesce(sum(consumed), 0) FROM etld.kafka_position WHERE consumer_group = 'etld-processor-purchase'"
)
#: Events a second that come meanwhile, and for how long before they are compared.
_RATE, _BEFORE = 5_000, 10.0


def forget(environment: Environment, name: str) -> list[Result]:
    """`etld forget` of a subject with 1,000 events, in seconds; and live events a second meanwhile and before."""
    rows = int(name.rpartition("-")[2]) // (100 if environment.quick else 1)
    database = environment.database()
    prepare(database)
    with open_database(database) as conn:
        for begin in range(0, rows, 500_000):
            count = min(500_000, rows - begin)
            numbers = {"begin": begin, "count": count, "every": rows // _EVENTS, "subject": _SUBJECT}
            conn.execute(_STOCK, numbers)
        conn.execute("VACUUM ANALYZE processed_events")
    workers = {f"{role}.workers": 1 for role in ("ingest", "aggregator", "corrector", "event_types.purchase")}
    seconds = Result(name, "s", [])
    live = Result(f"{name}-live", "events/s", [], [], "before")
    stop = threading.Event()

    def stream() -> Iterator[bytes]:
        at = 0
        while not stop.is_set():
            batch = [_plain(at + i) | {"event_id": str(uuid.uuid4())} for i in range(IN_BATCH)]
            at += IN_BATCH
            yield request("/v1/batch", json.dumps({"batch": batch}).encode())

    config = environment.config(database, **workers)
    with environment.daemon(config) as daemon, open_database(database) as conn:

        def consumed() -> int:
            row = conn.execute(_CONSUMED).fetchone()
            return int(row[0]) if row else 0

        states = "SELECT bool_and(state = 'live') FROM etld.summary"
        wait_until(lambda: conn.execute(states).fetchone() == (True,), 600, "the summaries are filled")
        sender = threading.Thread(target=drive, args=(daemon.http, stream(), 4), kwargs={"rate": _RATE / IN_BATCH})
        sender.start()
        try:
            wait_until(lambda: consumed() > 2 * _RATE, 60, "events come")
            first, began = consumed(), time.monotonic()
            time.sleep(_BEFORE)
            middle, then = consumed(), time.monotonic()
            receipt = json.loads(daemon.etld("forget", f"user_id={_SUBJECT}", "--yes", "--json"))["erasures"][0]
            last, end = consumed(), time.monotonic()
        finally:
            stop.set()
            sender.join()
    if receipt["events"] != rows // (rows // _EVENTS):
        raise RuntimeError(f"erased {receipt['events']} events")
    seconds.values.append(end - then)
    live.reference.append((middle - first) / (then - began))
    live.values.append((last - middle) / (end - then))
    return [seconds, live]


BENCHES = {f"forget-{n}": forget for n in (10_000_000,)}
