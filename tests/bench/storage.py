"""What the end of a partition's time costs those who write."""

from __future__ import annotations

import threading
import time

from bench.environment import Environment, fill, open_database, prepare
from bench.flow import STOCK, Backlog
from bench.result import Result
from etld.postgres.connections import connect
from etld.sinks.postgres.partitions import takeover
from support.waiting import wait_until

_OLDEST = "SELECT count(*) FROM etld.event_partition WHERE taken_over_at IS NOT NULL"


def drop(environment: Environment, name: str) -> Result:
    """The longest that a processor at its full rate stands still while a partition of so many rows is dropped."""
    rows = int(name.rpartition("-")[2]) // (1000 if environment.quick else 1)
    backlog = Backlog(environment, 1)
    backlog.stock(rows)
    with open_database(backlog.database) as conn:
        assert takeover.ensure(conn, "day") is None
        # What the processor writes belongs to the partition behind that of the old rows.
        wait_until(
            lambda: (
                conn.execute(
                    "SELECT upper < now() FROM etld.event_partition WHERE taken_over_at IS NOT NULL"
                ).fetchone()
                == (True,)
            ),
            300,
            "the old partition is full",
        )
        conn.execute(
            "UPDATE etld.event_partition SET upper = now() - interval '9 days' WHERE taken_over_at IS NOT NULL"
        )
        conn.execute("DELETE FROM etld.summary")
    topic = f"after-{backlog.topic}"
    fill(environment, topic, prepare(backlog.database), environment.events)
    changes = {
        "event_types.purchase.topic": topic,
        "event_types.purchase.workers": 1,
        "aggregator.workers": 1,
        "summaries": {},
        "storage.retention": "8 d",
        "storage.dedup_window": "2 d",
    }
    longest, moved = 0.0, 0
    config = environment.config(backlog.database, **changes)
    query = (
        "SELECT coalesce(sum(consumed), 0) FROM etld.kafka_position WHERE consumer_group = 'etld-processor-purchase'"
    )
    with open_database(backlog.database) as conn, environment.daemon(config):
        last = time.monotonic()
        while moved < environment.events:
            row = conn.execute(query).fetchone()
            now = time.monotonic()
            if row and row[0] != moved:
                longest = max(longest, now - last) if moved else 0.0
                moved, last = int(row[0]), now
            time.sleep(0.005)
        wait_until(lambda: conn.execute(_OLDEST).fetchone() == (0,), 60, "the old partition is gone")
    return Result(name, "s", [longest])


def take_over(environment: Environment, name: str) -> Result:
    """The longest that one row waits while a table of so many rows becomes the first partition of another."""
    rows = int(name.rpartition("-")[2]) // (1000 if environment.quick else 1)
    backlog = Backlog(environment, 1)
    backlog.stock(rows)
    over = threading.Event()
    waits: list[float] = []

    def write() -> None:
        with open_database(backlog.database) as conn:
            while not over.is_set():
                began = time.monotonic()
                conn.execute(STOCK, {"begin": 0, "count": 1, "accepted": None})
                waits.append(time.monotonic() - began)
                time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with connect(backlog.database, application_name="bench", statement_timeout=0.0) as conn:
            assert takeover.ensure(conn, "month") is None
    finally:
        over.set()
        writer.join()
    return Result(name, "s", [max(waits)])


BENCHES = {"takeover-10000000": take_over} | {f"drop-{n}": drop for n in (5_000_000,)}
