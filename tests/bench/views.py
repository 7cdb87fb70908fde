"""What an analyst's question costs, by the view of an event type."""

from __future__ import annotations

import time
from typing import Any

from bench.environment import SCHEMA, Environment, open_database, prepare
from bench.result import Result
from etld.schemas import tree
from etld.sinks.postgres import event_views
from etld.sinks.postgres.partitions import takeover
from etld.sinks.postgres.partitions.block_ranges import BlockRanges

_DAYS, _CHUNK = 40, 500_000
_STOCK = """
INSERT INTO processed_events
    (event_id, event_name, event_type, user_details, event_details, triggered_at, accepted_at, kafka_partition,
    kafka_offset)
SELECT ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'payment_successful', 'purchase',
    '{"user_id": 7, "name": "Ada Lovelace", "email": "ada@example.org", "country": "GB"}',
    '{"item_id": 7, "item_name": "Analytical Engine, model 7, brass and walnut", "price": 12.5}', t.at, t.at, 0, n
FROM generate_series(%(begin)s::bigint, %(end)s::bigint - 1) AS n,
    LATERAL (SELECT now() - (%(rows)s - n) * (%(days)s * interval '1 day' / %(rows)s) AS at) AS t
"""
_ASKED = "SELECT sum({}) FROM {} WHERE accepted_at >= now() - interval '1 hour'"
_BY_VIEW = _ASKED.format("price", "etld.event_purchase")
# A number that is no number would end it.
_BY_HAND = _ASKED.format("(event_details ->> 'price')::float8", "processed_events") + " AND event_type = 'purchase'"


def last_hour(environment: Environment, name: str) -> Result:
    """Milliseconds for the last hour's revenue among so many rows of forty days in one partition."""
    rows = int(name.rpartition("-")[2]) // (1000 if environment.quick else 1)
    database = environment.database()
    prepare(database)
    result = Result(name, "ms", [], [], "the same, cast by hand")
    with open_database(database) as conn:
        takeover.ensure(conn, "month")
        for begin in range(0, rows, _CHUNK):
            end = min(rows, begin + _CHUNK)
            conn.execute(_STOCK, {"begin": begin, "end": end, "rows": rows, "days": _DAYS})
        # As if the rows had been written by etld, of late: nothing but it looks after the index.
        conn.execute("UPDATE etld.event_partition SET version = 1 WHERE lower IS NULL")
        BlockRanges().follow(conn)
        conn.execute("ANALYZE processed_events")
        assert not event_views.follow(conn, [("purchase", tree.read(SCHEMA.read_text()))])
        assert conn.execute(_BY_VIEW.encode()).fetchone() == conn.execute(_BY_HAND.encode()).fetchone()
        for _ in range(max(3, environment.pairs)):
            result.reference.append(_milliseconds(conn, _BY_HAND))
            result.values.append(_milliseconds(conn, _BY_VIEW))
    return result


def _milliseconds(conn: Any, query: str) -> float:
    began = time.monotonic()
    conn.execute(query.encode()).fetchone()
    return (time.monotonic() - began) * 1000


BENCHES = {"view-last-hour-30000000": last_hour}
