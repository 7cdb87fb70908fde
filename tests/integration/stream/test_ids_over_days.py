"""Records of another producer with times of other days: an event id within the window is one event."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest

from etld.events.ids import new_event_id
from etld.postgres import connections
from etld.schemas.event_schema import EventSchema
from etld.serdes.avro.codec import codec_of
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import as_avro, event
from support.leaves import cut
from support.waiting import wait_until

pytestmark = pytest.mark.integration

SCHEMA = EventSchema.parse((Path(__file__).parents[3] / "schemas" / "purchase.avsc").read_text())
HOUR = 3_600_000
EACH = 60
_COUNTS = (
    "SELECT coalesce(sum(consumed), 0)::int, coalesce(sum(stored), 0)::int, coalesce(sum(duplicate), 0)::int"
    " FROM etld.kafka_position WHERE consumer_group = 'etld-processor-purchase'"
)


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Iterator[EtldClient]:
    """A daemon whose table has a partition for each of the last five days, and whose window is two."""
    made = make_daemon()
    made.configure(
        {
            "storage.partition": "day",
            "storage.dedup_window": "2 d",
            "event_types.purchase.workers": 2,
        }
    )
    with made.running():
        client = EtldClient(made)
        with connections.connect(client.dsn, application_name="etld test") as conn:
            cut(conn, 5)
        yield client


def _write(etld: EtldClient, ids: list[str], milliseconds: int, partition: int) -> None:
    producer = confluent_kafka.Producer(etld.daemon.kafka_client(linger_ms=20))
    schema_id = etld.sql("SELECT min(id) FROM etld.schema_version WHERE subject = 'event_purchase-value'")[0][0]
    codec = codec_of(SCHEMA)
    for one in ids:
        body = codec.encode(as_avro(event(event_id=one)))
        value = b"\0" + schema_id.to_bytes(4) + body
        producer.produce("event_purchase", value, one.encode(), partition=partition, timestamp=milliseconds)
    assert producer.flush(30) == 0


def _kill(etld: EtldClient) -> None:
    for worker in etld.daemon.status()["workers"]:
        if worker["kind"] == "processor" and worker["pid"]:
            os.kill(worker["pid"], signal.SIGKILL)


def test_ids_of_any_kind_over_midnight_and_after_kills(etld: EtldClient) -> None:
    """Sent again 1 h, 1 d and 47 h later each is a duplicate, 3 d later a new event; whoever reads it."""
    now = int(time.time() * 1000)
    first = now - 75 * HOUR
    ids = [str(uuid.uuid4()) for _ in range(EACH)]
    ids += [str(uuid.uuid5(uuid.NAMESPACE_URL, f"{now}/{i}")) for i in range(EACH)]
    ids += [new_event_id() for _ in range(EACH)]
    total = len(ids)

    def counts() -> Any:
        return etld.sql(_COUNTS)[0]

    _write(etld, ids, first, 0)
    wait_until(lambda: counts() == (total, total, 0), 60, "the events are stored")
    for number, later in enumerate((1, 24, 47), 1):
        _write(etld, ids, first + later * HOUR, number % 3)
        if later == 24:
            _kill(etld)
        wait_until(lambda done=(number + 1) * total: counts()[0] == done, 90, f"those {later} h later are read")
        assert counts() == ((number + 1) * total, total, number * total)
    # At once in two partitions of the topic, on both sides of a midnight.
    midnight = now // (24 * HOUR) * 24 * HOUR
    twice = [str(uuid.uuid4()) for _ in range(3000)]
    for at in range(0, 3000, 500):
        _write(etld, twice[at : at + 500], midnight - 1, 0)
        _write(etld, twice[at : at + 500], midnight, 1)
        if at == 1500:
            _kill(etld)
    wait_until(lambda: counts()[0] == 4 * total + 6000, 90, "both partitions are read")
    assert counts() == (4 * total + 6000, total + 3000, 3 * total + 3000)
    _write(etld, ids, first + 72 * HOUR, 2)
    wait_until(lambda: counts()[0] == 5 * total + 6000, 60, "those of three days later are read")
    assert counts() == (5 * total + 6000, 2 * total + 3000, 3 * total + 3000)
    wait_until(
        lambda: list(etld.daemon.state_dir.joinpath("filters").glob("*.filter")), 60, "filters of past days are made"
    )
    _write(etld, twice, now, 2)
    wait_until(lambda: counts()[0] == 5 * total + 9000, 60, "the last are read")
    assert counts() == (5 * total + 9000, 2 * total + 3000, 3 * total + 6000)
    rows = etld.sql("SELECT event_id::text, count(*)::int FROM processed_events GROUP BY 1")
    assert dict(rows) == dict.fromkeys(ids, 2) | dict.fromkeys(twice, 1)
    # The summaries take for one event what the table does.
    told = etld.daemon.json("reconcile", "--wait", "120", check=False)
    assert told["ok"], told["differences"]
    assert all(one["equal"] for one in told["summaries"])
