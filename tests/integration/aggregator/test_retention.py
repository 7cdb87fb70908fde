"""Days go by: partitions come and go, and the ledger and the summaries know of every event that was there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import confluent_kafka
import psycopg
import pytest

from faults import clock
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import event, purchase
from support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.skipif(bool(clock.missing()), reason=clock.missing())]

DAY = 86_400
STORAGE = {
    "storage.partition": "day",
    "storage.dedup_window": "1 d",
    "storage.retention": "3 d",
    "storage.dead_letter_retention": "3 d",
    "event_types.order.retention": "1 d",
    "aggregator.dedup_window": "1 d",
}
# Names of event types that keep their rows for less, so that a partition has both.
SHORTER = "order"


@pytest.fixture(scope="module")
def shifted(make_daemon: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EtldClient, clock.Clock]]:
    """A daemon whose days are a partition each, and its clock."""
    made: Daemon = make_daemon()
    watch = clock.Clock(tmp_path_factory.mktemp("clock"))
    made.env |= watch.env
    made.configure(STORAGE)
    with made.running():
        yield EtldClient(made), watch


def _reconciled(etld: EtldClient) -> None:
    def equal() -> bool:
        return etld.daemon.cli("reconcile", check=False).returncode == 0

    wait_until(equal, 60, "reconcile finds no difference")


def _sent_on(etld: EtldClient, day: int) -> list[str]:
    """The ids of twenty purchases and five orders, once they are stored."""
    events = [purchase(item_id=day) for _ in range(20)]
    events += [event(SHORTER, event_id=str(uuid.uuid4())) for _ in range(5)]
    etld.send(events)
    ids = [one["event_id"] for one in events]
    wait_until(lambda: etld.stored(*ids) == len(ids), 60, f"day {day} is stored")
    return ids


def _gone(etld: EtldClient) -> dict[str, int]:
    return dict(etld.sql("SELECT event_type, sum(expired)::int FROM etld.removed_event GROUP BY 1"))


def test_days_go_by(shifted: tuple[EtldClient, clock.Clock]) -> None:
    etld, watch = shifted
    broken = purchase(price="dear")
    etld.track(broken)
    etld.letter(broken["event_id"], "parked")
    ids, days = [], 6
    for day in range(days):
        watch.shift(day * DAY)
        # A leaf of this day is there before its first event comes, or the batch waits until it is.
        ids.append(_sent_on(etld, day))
        _reconciled(etld)
    # Three days are kept, and the one that ends is only gone as a whole.
    wait_until(lambda: etld.stored(*ids[0], *ids[1]) == 0, 60, "what is older than three days is gone")
    kept = [one for day in ids[3:] for one in day]
    assert etld.stored(*kept) >= 60
    wait_until(lambda: _orders(etld) <= 10, 60, "orders are kept for a day")
    wait_until(lambda: etld.sql("SELECT count(*) FROM etld.dead_letter") == [(0,)], 90, "so are dead letters for three")
    _reconciled(etld)
    gone = _gone(etld)
    assert gone["purchase"] >= 40
    assert gone["order"] >= 20
    assert etld.sql("SELECT sum(events)::int FROM etld.summary_purchase") == [(20 * days,)]
    newest = etld.sql("SELECT name FROM etld.event_partition WHERE version <> 0 ORDER BY upper DESC LIMIT 1")[0][0]
    assert etld.sql(f"SELECT count(*) FROM etld.{newest}") == [(25,)]
    wait_until(lambda: _read_in_vain(etld, newest) == 0, 60, "the index of times knows the newest rows")
    (first, second) = etld.sql("SELECT name, upper FROM etld.event_partition ORDER BY lower NULLS FIRST LIMIT 2")
    assert first[0] == "processed_events_late"
    assert etld.sql("SELECT lower FROM etld.event_partition WHERE name = %s", second[0]) == [(first[1],)]
    _late_record(etld)
    wait_until(lambda: _gone(etld)["purchase"] > gone["purchase"], 60, "what comes too late is counted as expired")
    _reconciled(etld)
    assert etld.sql("SELECT count(*) FROM etld.dead_letter") == [(0,)]


def _orders(etld: EtldClient) -> int:
    return int(etld.sql("SELECT count(*) FROM processed_events WHERE event_type = 'order'")[0][0])


def _read_in_vain(etld: EtldClient, partition: str) -> int:
    """Rows that a query reads by the index of times, and that are of another time."""
    query = f"EXPLAIN (ANALYZE, FORMAT JSON) SELECT FROM etld.{partition} WHERE accepted_at < '1999-01-01'"
    with psycopg.connect(etld.dsn, options="-c enable_seqscan=off") as conn:
        plan = conn.execute(query.encode()).fetchall()[0][0][0]["Plan"]
    assert plan["Node Type"] == "Bitmap Heap Scan"
    return int(plan.get("Rows Removed by Index Recheck", 0))


def _late_record(etld: EtldClient) -> None:
    """The first record of the topic once more, as old as it is."""
    consumer = confluent_kafka.Consumer(etld.daemon.kafka_client(group_id=str(uuid.uuid4())))
    consumer.assign([confluent_kafka.TopicPartition("event_purchase", 0, 0)])
    first = consumer.poll(20)
    consumer.close()
    assert first is not None
    producer = confluent_kafka.Producer(etld.daemon.kafka_client())
    producer.produce("event_purchase", first.value(), first.key(), partition=0, timestamp=first.timestamp()[1])
    assert producer.flush(20) == 0
