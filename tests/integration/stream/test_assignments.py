"""A consumer whose claim fails in the midst of an assignment."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from etld.kafka.consumer import GroupConsumer
from etld.kafka.errors import ConsumerBroken
from etld.kafka.ports import Membership
from etld.kafka.types import Partition, Watermarks
from support.waiting import wait_until

pytestmark = pytest.mark.integration

RECORDS = 40


def consumer(kafka: str, topic: str, claim: object) -> GroupConsumer:
    """A member of the topic's group, always the same."""
    return GroupConsumer(
        {"bootstrap.servers": kafka},
        Membership(f"group-{topic}", "member", [topic]),
        claim,  # type: ignore[arg-type]
        lambda partitions: None,
    )


def test_what_a_claim_raises_ends_the_consumer_and_loses_no_record(kafka: str) -> None:
    """It comes out of poll() with its cause, no record comes before it, and the next consumer reads all."""
    topic = f"claims-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(30)
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka})
    for number in range(RECORDS):
        producer.produce(topic, b"%d" % number, partition=number % 2)
    assert producer.flush(30) == 0

    def fails(partitions: Sequence[Partition], marks: Mapping[Partition, Watermarks]) -> Mapping[Partition, int]:
        raise LookupError("the claim failed")

    broken = consumer(kafka, topic, fails)
    until = time.monotonic() + 30
    with pytest.raises(ConsumerBroken, match="the claim failed") as caught:  # noqa: PT012  # at whichever poll
        while time.monotonic() < until:
            assert broken.poll(100, 1 << 20, 0.1, 0.5).records == {}
    assert isinstance(caught.value.__cause__, LookupError)
    broken.close(10)

    whole = consumer(kafka, topic, lambda partitions, marks: {key: low for key, (low, _high) in marks.items()})
    read: set[bytes] = set()

    def all_read() -> bool:
        for records in whole.poll(100, 1 << 20, 0.1, 0.5).records.values():
            read.update(value for value in records.values if value)
        return len(read) == RECORDS

    wait_until(all_read, 30)
    whole.close(10)
