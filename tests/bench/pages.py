"""How long the console's pages take over millions of rows."""

from __future__ import annotations

import statistics
import time
import urllib.request
import uuid
from typing import Any
from urllib.parse import urlencode

from bench.environment import Environment, open_database, prepare
from bench.result import Result
from etld.sinks.postgres.event_search import WANTED
from etld.util.ports import free_port
from support.waiting import wait_until

_CHUNK = 500_000
_ROWS = """
INSERT INTO processed_events
    (event_id, event_name, event_type, user_details, event_details, triggered_at, accepted_at, kafka_partition,
    kafka_offset)
SELECT gen_random_uuid(), CASE WHEN n %% 7 = 0 THEN 'added_to_cart' ELSE 'payment_successful' END, 'purchase',
    jsonb_build_object('user_id', n %% 100000, 'name', 'Ada Lovelace', 'email', 'ada@example.org', 'country', 'GB'),
    '{"item_id": 7, "item_name": "Analytical Engine, model 7, brass and walnut", "price": 12.5}', t.at, t.at, 0, n
FROM generate_series(%(begin)s::bigint, %(end)s::bigint - 1) AS n,
    LATERAL (SELECT now() - (%(rows)s - n) * (interval '20 days' / %(rows)s) AS at) AS t
"""
# Fifty kinds of faults over twenty days; what a rule would have to know of them is in the bytes.
_LETTERS = """
INSERT INTO etld.dead_letter
    (id, event_id, event_type, state, stage, error_class, error, topic, partition, "offset", value, announced, reason,
    created_at, updated_at)
SELECT gen_random_uuid(), gen_random_uuid(), 'purchase',
    (ARRAY['parked', 'parked', 'resolved', 'discarded'])[1 + n %% 4], 'VALIDATION', 'InvalidEvent',
    'field_' || n %% 50 || ': expected a number, got text', 'raw.purchase', 0, n,
    convert_to('{"event_type": "purchase", "user_details": {"user_id": ' || n %% 100000 || '}}', 'UTF8'), true,
    'no rule repairs it', t.at, t.at
FROM generate_series(%(begin)s::bigint, %(end)s::bigint - 1) AS n,
    LATERAL (SELECT now() - (%(rows)s - n) * (interval '20 days' / %(rows)s) AS at) AS t
"""


def pages(environment: Environment, name: str) -> list[Result]:
    """Milliseconds that each page takes over HTTP, with so many rows and a tenth as many dead letters."""
    rows = int(name.rpartition("-")[2]) // (1000 if environment.quick else 1)
    database, port = environment.database(), free_port()
    prepare(database)
    with open_database(database) as conn:
        _fill(conn, _ROWS, rows)
        _fill(conn, _LETTERS, rows // 10)
        for _, statement in WANTED.values():
            conn.execute(statement)
        conn.execute("VACUUM ANALYZE processed_events")
        conn.execute("VACUUM ANALYZE etld.dead_letter")
        event, letter, group = _examples(conn)
        config = environment.config(database, **{"console.port": port, "corrector.workers": 1})
        with environment.daemon(config):
            # The corrector adds counts up beside its work.
            counts = "SELECT count(*) FROM etld.dead_letter_count"
            wait_until(lambda: _number(conn.execute(counts).fetchone()) < 30_000, 300, "counts are added up")
            base = f"http://127.0.0.1:{port}"
            paths = {
                **{path: path for path in ("/", "/events", "/summaries", "/dead-letters", "/rules", "/topics")},
                **{path: path for path in ("/workers", "/schemas", "/config", "/alerts", "/audit")},
                "an event by its id": f"/events?{urlencode({'id': event})}",
                "events of a user": "/events?user=777",
                "events of a name": "/events?name=added_to_cart",
                "events of an hour": "/events?since=100+h&until=99+h",
                "an event": f"/events/{event}",
                "a group": f"/dead-letters?group={group}",
                "letters of a state": "/dead-letters?state=parked&type=purchase",
                "letters of a user": "/dead-letters?user=777",
                "a letter": f"/dead-letters/{letter}",
            }
            return [_timed(environment, name, what, base + path) for what, path in paths.items()]


def _fill(conn: Any, statement: str, rows: int) -> None:
    for begin in range(0, rows, _CHUNK):
        conn.execute(statement, {"begin": begin, "end": min(rows, begin + _CHUNK), "rows": rows})


def _examples(conn: Any) -> tuple[uuid.UUID, uuid.UUID, uuid.UUID]:
    event = conn.execute("SELECT event_id FROM processed_events LIMIT 1").fetchone()
    found = "SELECT id, etld.letter_group(stage, error_class, sqlstate, error) FROM etld.dead_letter LIMIT 1"
    letter, group = conn.execute(found).fetchone()
    return event[0], letter, group


def _number(row: Any) -> int:
    return int(row[0])


def _timed(environment: Environment, name: str, what: str, address: str) -> Result:
    times = []
    for _ in range(max(5, environment.pairs)):
        began = time.monotonic()
        with urllib.request.urlopen(address, timeout=60) as answer:
            answer.read()
        times.append((time.monotonic() - began) * 1000)
    return Result(f"{name} {what}", "ms", [statistics.median(times)])


BENCHES = {"pages-10000000": pages}
