"""Records as large as Kafka takes them, and a letter that is larger than its topic takes."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from etld.kafka.admin import Admin
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.waiting import wait_until

pytestmark = pytest.mark.integration

SMALL = 40


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Any:
    """A daemon of this module's own."""
    made = make_daemon()
    with made.running():
        yield EtldClient(made)


def in_topic(etld: EtldClient, topic: str) -> int:
    """Records of a topic, repetitions included."""
    admin = Admin(etld.daemon.kafka_client())
    marks = admin.watermarks(topic, range(admin.topics([topic])[topic].partitions))
    return sum(high - low for low, high in marks.values())


def limit(etld: EtldClient, topic: str, size: int) -> None:
    """Set how large a record of a topic may be."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    client = AdminClient(etld.daemon.kafka_client())
    for done in client.incremental_alter_configs([resource]).values():
        done.result(20)


def test_a_record_of_a_megabyte_is_one_letter_and_so_is_each_neighbour(etld: EtldClient) -> None:
    """A letter is the record and its headers: larger than what Kafka took before."""
    for number in range(SMALL):
        etld.produce(str(uuid.uuid4()), b"junk %d" % number)
        if number == SMALL // 2:
            producer_bytes = b"\0\0\0\0\1" + b"\xff" * 1_047_000
            etld.produce(str(uuid.uuid4()), producer_bytes)
    wait_until(lambda: etld.states().get("parked", 0) == SMALL + 1, 40)
    wait_until(lambda: etld.sql("SELECT count(*) FROM etld.dlq_outbox") == [(0,)], 20)
    assert etld.sql("SELECT count(*) FROM etld.dead_letter WHERE length(value) > 1000000") == [(1,)]
    wait_until(lambda: in_topic(etld, "parked_events") == SMALL + 1, 20)
    assert in_topic(etld, "dead_letter_queue") == SMALL + 1


def test_a_letter_that_its_topic_does_not_take_holds_no_other_up(etld: EtldClient) -> None:
    """It is told of by name, and goes once the topic takes it."""
    before = in_topic(etld, "parked_events")
    limit(etld, "parked_events", 100_000)
    try:
        etld.produce(str(uuid.uuid4()), b"\0\0\0\0\1" + os.urandom(320_000))
        for number in range(5):
            etld.produce(str(uuid.uuid4()), b"more junk %d" % number)
        wait_until(lambda: in_topic(etld, "parked_events") == before + 5, 40)
        wait_until(lambda: "raise its max.message.bytes" in etld.daemon.cli("health", check=False).stdout, 20)
        assert etld.daemon.cli("health", check=False).returncode == 1
    finally:
        limit(etld, "parked_events", 8 << 20)
    wait_until(lambda: in_topic(etld, "parked_events") == before + 6, 60)
    wait_until(lambda: etld.daemon.cli("health", check=False).returncode == 0, 20)


def test_a_foreign_letter_with_absurd_headers_is_kept(etld: EtldClient) -> None:
    """Who may write to the queue cannot stop the corrector."""
    before = sum(etld.states().values())
    producer = Producer(etld.daemon.kafka_client())
    headers = [(name, "x" * 12_000) for name in ("etld.event_id", "etld.event_type", "__connect.errors.stage")]
    headers.append(("etld.dead_letter_id", "no id"))
    for _ in range(3):
        producer.produce("dead_letter_queue", b"{}", b"k", headers=headers)
    assert producer.flush(20) == 0
    wait_until(lambda: sum(etld.states().values()) == before + 3, 40)
    wait_until(lambda: etld.daemon.cli("health", check=False).returncode == 0, 20)
