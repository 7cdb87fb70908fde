"""Batches that do not go through in one piece: a table that refuses thousands, schemas that go into no one frame."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import confluent_kafka
import pytest

from etld.schemas.event_schema import EventSchema
from etld.serdes.avro import wire
from etld.serdes.avro.codec import codec_of
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import as_avro, purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

REFUSED, GOOD = 2500, 500


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Any:
    """A daemon without breaker and rules, and a table that refuses high prices."""
    made = make_daemon()
    made.configure({"breaker.ratio": 0.0, "corrector.rules": []})
    with made.running():
        found = EtldClient(made)
        found.sql(
            "ALTER TABLE processed_events ADD CONSTRAINT dear"
            " CHECK (jsonb_typeof(event_details -> 'price') <> 'number' OR (event_details ->> 'price')::float8 <= 100)"
        )
        yield found


def write(etld: EtldClient, records: list[tuple[str, bytes]]) -> None:
    """Records as a foreign producer writes them, to one partition."""
    producer = confluent_kafka.Producer(etld.daemon.kafka_client(linger_ms=20))
    for key, value in records:
        producer.produce("event_purchase", value, key.encode(), partition=0)
        producer.poll(0)
    assert producer.flush(30) == 0


def record(schema: EventSchema, schema_id: int, event: dict[str, Any]) -> tuple[str, bytes]:
    """Key and value of an event."""
    return event["event_id"], wire.pack(schema_id, codec_of(schema).encode(as_avro(event)))


def known(etld: EtldClient) -> tuple[str, int]:
    """The schema of purchases, and its id."""
    query = "SELECT schema, id FROM etld.schema_version WHERE subject = 'event_purchase-value' ORDER BY id LIMIT 1"
    (found,) = etld.sql(query)
    return found


def test_a_table_that_refuses_thousands_gets_the_good_ones(etld: EtldClient) -> None:
    """Each refused record is a letter, each good one a row, and no worker is taken for hung on the way."""
    text, schema_id = known(etld)
    schema = EventSchema.parse(text)
    before = etld.daemon.worker("processor-purchase-0")
    prices = [500.0] * REFUSED + [5.0] * GOOD
    prices = [prices[i * 37 % len(prices)] for i in range(len(prices))]
    write(etld, [record(schema, schema_id, purchase(price=price)) for price in prices])
    wait_until(lambda: etld.sql("SELECT count(*) FROM processed_events") == [(GOOD,)], 240)
    wait_until(lambda: etld.states().get("parked", 0) == REFUSED, 240)
    wait_until(lambda: etld.sql("SELECT count(*) FROM etld.dlq_outbox") == [(0,)], 60)
    counts = "SELECT sum(consumed), sum(stored), sum(dead) FROM etld.kafka_position WHERE consumer_group = %s"
    assert etld.sql(counts, "etld-processor-purchase") == [(REFUSED + GOOD, GOOD, REFUSED)]
    after = etld.daemon.worker("processor-purchase-0")
    assert (after["pid"], after["restarts"]) == (before["pid"], before["restarts"])


def test_schemas_that_go_into_no_frame_stop_no_partition(etld: EtldClient) -> None:
    """A number here and a record there under one name: by the way, each is stored as it is."""
    text, schema_id = known(etld)
    odd = json.loads(text)
    (details,) = (field for field in odd["fields"] if field["name"] == "event_details")
    (price,) = (field for field in details["type"]["fields"] if field["name"] == "price")
    price["type"] = {"type": "record", "name": "money", "fields": [{"name": "cents", "type": "long"}]}
    odd_text, odd_id = json.dumps(odd), schema_id + 500
    etld.sql(
        "INSERT INTO etld.schema_version (id, subject, version, schema, fingerprint) OVERRIDING SYSTEM VALUE"
        f" VALUES ({odd_id}, 'money-value', 1, $${odd_text}$$, 'money')"
    )
    plain, other = EventSchema.parse(text), EventSchema.parse(odd_text)
    before = etld.sql("SELECT count(*) FROM processed_events")[0][0]
    records = [record(plain, schema_id, purchase(price=1.0)) for _ in range(300)]
    records += [record(other, odd_id, purchase(price={"cents": 100})) for _ in range(300)]
    records += [record(plain, schema_id, purchase(price=2.0)) for _ in range(300)]
    write(etld, records)
    wait_until(lambda: etld.sql("SELECT count(*) FROM processed_events") == [(before + 900,)], 60)
    cents = "SELECT count(*) FROM processed_events WHERE event_details #>> '{price,cents}' = '100'"
    assert etld.sql(cents) == [(300,)]
    assert etld.daemon.status()["state"] == "ready"
    last = str(uuid.uuid4())
    etld.track({**purchase(), "event_id": last})
    wait_until(lambda: etld.price(last) == 12.5, 20)
