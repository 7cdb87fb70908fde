"""What the log tells of a record that became a dead letter."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from confluent_kafka import Producer

from support.daemon import Daemon
from support.waiting import wait_until

pytestmark = pytest.mark.integration


def lines(daemon: Daemon, topic: str) -> list[dict[str, Any]]:
    """The warnings of a topic's processor."""
    shown = daemon.cli("logs", "processor-order", "--level", "warning", "--json", check=False).stdout.splitlines()
    return [line for line in map(json.loads, shown) if line.get("topic") == topic]


def test_a_dead_letter_is_told_with_its_coordinates(daemon: Daemon) -> None:
    """Which event, where it lies, and at which stage it died: enough to find it."""
    event_id = str(uuid.uuid4())
    producer = Producer(daemon.kafka_client(acks="all"))
    producer.produce("event_order", b"\xff\xfe\xfd", event_id, partition=1)
    producer.flush(20)
    (line,) = wait_until(lambda: lines(daemon, "event_order"), 30, "the dead letter is told")
    assert {key: line[key] for key in ("partition", "offset", "event_id", "stage")} == {
        "partition": 1,
        "offset": 0,
        "event_id": event_id,
        "stage": "VALUE_CONVERTER",
    }
    assert line["msg"].startswith("dead letter: ")
