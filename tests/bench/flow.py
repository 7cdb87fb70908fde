"""Backlog to table and to summaries, against raw COPY of the very same rows."""

from __future__ import annotations

import datetime as dt
import threading
import time
from pathlib import Path
from typing import Any

from bench.environment import Environment, cpu_seconds, fill, open_database, peak_mb, prepare
from bench.result import Result
from support.waiting import wait_until

COLUMNS = (
    "event_id,event_name,event_type,user_details,event_details,triggered_at,accepted_at,kafka_partition,kafka_offset"
)
BATCH = 10_000  # as many as processor.batch_max_records
FORMATS = ("csv", "text", "binary")
GROUP = "etld-processor-purchase"
#: Rows as they may be there before a run: `count` of them from `begin` on.
STOCK = """
INSERT INTO processed_events
    (event_id, event_name, event_type, user_details, event_details, triggered_at, kafka_partition, kafka_offset,
    accepted_at)
SELECT gen_random_uuid(), 'payment_successful', 'purchase',
    '{"user_id": 7, "name": "Ada Lovelace", "email": "ada@example.org", "country": "GB"}',
    '{"item_id": 7, "item_name": "Analytical Engine, model 7, brass and walnut", "price": 12.5}', now(), 0, n,
    %(accepted)s
FROM generate_series(%(begin)s + 1, %(begin)s + %(count)s) AS n
"""


class Backlog:
    """A topic full of records, and a database to put them into again and again."""

    def __init__(self, environment: Environment, count: int, **how: Any) -> None:
        self.environment, self.count = environment, count
        self.database = environment.database()
        schema_id = prepare(self.database, how.get("fields", 0))
        # The last id of rows that stay in the table all the time, 0 for none.
        self.kept = 0
        self.base = environment.config(self.database)
        self.topic = f"backlog-{self.base.parent.name}"
        fill(environment, self.topic, schema_id, count, **how)

    def reset(self) -> None:
        """Forget rows, positions and what was counted."""
        with open_database(self.database) as conn:
            self.empty(conn)
            conn.execute(
                "TRUNCATE etld.kafka_position, etld.kafka_position_history, etld.dlq_outbox, etld.counted_event"
            )
            for (name,) in conn.execute(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'etld'"
                " AND tablename LIKE 'summary\\_%'"
            ).fetchall():
                conn.execute(f"TRUNCATE {name}")
            conn.execute("CHECKPOINT")

    def empty(self, conn: Any) -> None:
        """Take away the rows of the last run."""
        if self.kept:
            conn.execute("DELETE FROM processed_events WHERE id > %s", (self.kept,))
            conn.execute("VACUUM processed_events")
        else:
            conn.execute("TRUNCATE processed_events")

    def stock(self, rows: int, accepted: dt.datetime | None = None) -> None:
        """Have `rows` rows more in the table from the start, of a time that nobody knows or that Kafka told."""
        with open_database(self.database) as conn:
            for begin in range(0, rows, 500_000):
                count = min(500_000, rows - begin)
                conn.execute(STOCK, {"begin": begin, "count": count, "accepted": accepted})
            conn.execute("VACUUM ANALYZE processed_events")
            found = conn.execute("SELECT max(id) FROM processed_events").fetchone()
            self.kept = found[0] if found else 0

    def prepare(self, config: Path) -> None:
        """What a daemon of this configuration finds when it starts."""

    def run(self, group: str, **changes: Any) -> tuple[float, float, float]:
        """(events/s, CPU µs an event, peak MB) of the workers, from when each has committed to the last commit."""
        self.reset()
        config = self.environment.config(
            self.database, **{"event_types.purchase.topic": self.topic, "breaker.ratio": 0, **changes}
        )
        self.prepare(config)
        query = (
            "SELECT coalesce(sum(consumed), 0), count(DISTINCT owner) FILTER (WHERE consumed > 0)"
            " FROM etld.kafka_position WHERE consumer_group = %s AND topic = %s"
        )
        workers = sum(count for key, count in changes.items() if key.endswith(".workers"))
        with open_database(self.database) as conn, self.environment.daemon(config) as daemon:

            def state() -> tuple[int, int]:
                row = conn.execute(query, (group, self.topic)).fetchone()
                return (int(row[0]), int(row[1])) if row else (0, 0)

            def done() -> int:
                return state()[0]

            wait_until(lambda: state()[1] == workers, 120, "every worker has committed a batch", 0.005)
            first, began = done(), time.monotonic()
            pids = [w["pid"] for name, w in daemon.workers().items() if w["pid"] and not name.startswith("setup")]
            cpu = cpu_seconds(pids)
            # What was done while the pids were looked up counts on neither side.
            first, began = done(), time.monotonic()
            wait_until(lambda: done() >= self.count, 600, "the backlog is done", 0.02)
            seconds = time.monotonic() - began
            used = cpu_seconds(pids) - cpu
            events = max(1, self.count - first)
            return events / seconds, used / events * 1e6, peak_mb(pids)


class Raw:
    """COPY of the rows of a backlog in batches of etld's size, in the format that is fastest here.

    The rows of a batch come as they lie in the topic, or as `order` says.
    """

    def __init__(self, backlog: Backlog, order: str = "kafka_partition, kafka_offset") -> None:
        self.backlog = backlog
        self._order = order
        backlog.run(GROUP, **{"event_types.purchase.workers": 1})
        self.batches: dict[str, list[bytes]] = {}
        with open_database(backlog.database) as conn:
            for form in FORMATS:
                self.batches[form] = [self._read(conn, form, start) for start in range(0, backlog.count, BATCH)]
        rates = {form: self.run(1, form) for form in FORMATS}
        self.best = max(rates, key=lambda form: rates[form])
        self.batches = {self.best: self.batches[self.best]}

    def _read(self, conn: Any, form: str, start: int) -> bytes:
        query = (
            f"COPY (SELECT {COLUMNS} FROM (SELECT * FROM processed_events ORDER BY id OFFSET {start} LIMIT {BATCH})"
            f" AS batch ORDER BY {self._order}) TO STDOUT (FORMAT {form})"
        )
        with conn.cursor() as cur, cur.copy(query) as out:
            return b"".join(bytes(piece) for piece in out)

    def run(self, connections: int, form: str | None = None) -> float:
        """Rows a second."""
        form = form or self.best
        self.backlog.reset()
        conns = [open_database(self.backlog.database) for _ in range(connections)]
        batches = self.batches[form]

        def copy(which: int) -> None:
            for batch in batches[which::connections]:
                command = f"COPY processed_events ({COLUMNS}) FROM STDIN (FORMAT {form})"
                with conns[which].transaction(), conns[which].cursor() as cur, cur.copy(command) as out:
                    out.write(batch)

        threads = [threading.Thread(target=copy, args=(i,)) for i in range(connections)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - began
        for conn in conns:
            conn.close()
        return self.backlog.count / seconds


_shared: dict[str, Any] = {}


def _raw(environment: Environment, order: str = "kafka_partition, kafka_offset") -> Raw:
    if "backlog" not in _shared:
        _shared["backlog"] = Backlog(environment, environment.events)
    if order not in _shared:
        _shared[order] = Raw(_shared["backlog"], order)
    return _shared[order]  # type: ignore[no-any-return]


def sorting(environment: Environment, name: str) -> Result:
    """COPY alone, of batches in the order of their event ids, as etld writes them, against the topic's order."""
    connections = int(name[-1])
    plain, in_order = _raw(environment), _raw(environment, "event_id")
    result = Result(name, "rows/s", [], [], f"COPY {plain.best}, {connections} connection{'s' * (connections > 1)}")
    for _ in range(environment.pairs):
        result.reference.append(plain.run(connections))
        result.values.append(in_order.run(connections))
    return result


def processor(environment: Environment, name: str) -> Result:
    """One or two workers against COPY of rows in the same order, over as many connections."""
    workers = int(name[-1])
    raw = _raw(environment, "event_id")
    result = Result(name, "events/s", [], [], f"COPY {raw.best}, {workers} connection{'s' * (workers > 1)}")
    costs, peaks = [], []
    for _ in range(environment.pairs):
        result.reference.append(raw.run(workers))
        rate, cpu, peak = raw.backlog.run(GROUP, **{"event_types.purchase.workers": workers})
        result.values.append(rate)
        costs.append(cpu)
        peaks.append(peak)
    result.cpu_us = sorted(costs)[len(costs) // 2]
    result.peak_mb = max(peaks)
    return result


def aggregator(environment: Environment, name: str) -> Result:
    """The same backlog into the three summaries, against the processor."""
    backlog = _raw(environment, "event_id").backlog
    result = Result(name, "events/s", [], [], "processor-1")
    costs, peaks = [], []
    for _ in range(environment.pairs):
        rate, _, _ = backlog.run(GROUP, **{"event_types.purchase.workers": 1})
        result.reference.append(rate)
        rate, cpu, peak = backlog.run("etld-aggregator", **{"aggregator.workers": 1})
        result.values.append(rate)
        costs.append(cpu)
        peaks.append(peak)
    result.cpu_us = sorted(costs)[len(costs) // 2]
    result.peak_mb = max(peaks)
    return result


def growth(environment: Environment, name: str) -> Result:
    """How the processor's rate changes with one thing; the reference is the plain backlog in the same run."""
    _, what, value = name.split("-")
    count = min(environment.events, 200_000)
    if "plain" not in _shared:
        _shared["plain"] = Backlog(environment, count)
    plain: Backlog = _shared["plain"]
    amount = int(value)
    how = {
        "partitions": {"partitions": amount},
        "bytes": {"filler": max(0, amount - 200)},
        "poison": {"poison_every": amount},
        "fields": {"fields": amount},
    }[what]
    if what == "bytes":
        count = max(1000, count * 200 // max(200, amount))
    if what == "fields":
        count = min(count, 20_000)
    other = Backlog(environment, count, **how)
    result = Result(name, "events/s", [], [], "3 partitions, 200 B, no poison, empty table")
    one = {"event_types.purchase.workers": 1}
    for _ in range(min(environment.pairs, 3)):
        result.reference.append(plain.run(GROUP, **one)[0])
        rate, cpu, peak = other.run(GROUP, **one)
        result.values.append(rate)
        result.cpu_us, result.peak_mb = cpu, peak
    return result


BENCHES = {
    "processor-1": processor,
    "processor-2": processor,
    "aggregator": aggregator,
    "sorting-1": sorting,
    "sorting-2": sorting,
    **{f"growth-partitions-{n}": growth for n in (1, 12, 48)},
    **{f"growth-bytes-{n}": growth for n in (2000, 20000)},
    **{f"growth-poison-{n}": growth for n in (10000, 100, 10)},
    **{f"growth-fields-{n}": growth for n in (100, 1000)},
}
