"""A topic that is made anew with fewer partitions than it had."""

from __future__ import annotations

import urllib.error
import uuid

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import event
from support.waiting import wait_until

pytestmark = pytest.mark.integration

TOPIC = "event_delivery"


def test_a_topic_with_fewer_partitions_goes_on_when_told(daemon: Daemon) -> None:
    """It stands still and says so, the other types go on, and after the resume the books are right."""
    etld = EtldClient(daemon)
    etld.send([event("delivery", event_id=str(uuid.uuid4())) for _ in range(60)])
    rows = "SELECT count(*) FROM processed_events WHERE event_type = 'delivery'"
    wait_until(lambda: etld.sql(rows) == [(60,)], 40)
    wait_until(lambda: daemon.cli("reconcile", check=False).returncode == 0, 60)
    client = AdminClient(etld.daemon.kafka_client())
    client.delete_topics([TOPIC])[TOPIC].result(30)
    wait_until(lambda: TOPIC not in client.list_topics(timeout=10).topics, 30)
    client.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(30)
    wait_until(lambda: "made anew" in daemon.cli("health", check=False).stdout, 60)
    # Until ingest's producer has seen that there are fewer, a batch that it cannot write whole gets 503: again, then.
    batch = [event("delivery", event_id=str(uuid.uuid4())) for _ in range(40)]

    def accepted() -> bool:
        try:
            return bool(etld.post("/v1/batch", {"batch": batch})["accepted"] == 40)
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            return False

    wait_until(accepted, 90)
    # Both its readers have come to the new topic before they are told to go on.
    halted = (
        "SELECT count(*) FROM etld.kafka_position WHERE topic = 'event_delivery' AND partition = 0 AND halted <> ''"
    )
    wait_until(lambda: etld.sql(halted) == [(2,)], 60)
    assert etld.sql(rows) == [(60,)]
    told = daemon.cli("resume", "processor", "--from", "low", TOPIC).stdout
    assert "event_delivery:0" in told
    assert "event_delivery:2" in told
    wait_until(lambda: etld.sql(rows) == [(100,)], 60)
    wait_until(lambda: daemon.cli("reconcile", check=False).returncode == 0, 60)
    wait_until(lambda: daemon.cli("health", check=False).returncode == 0, 30)
