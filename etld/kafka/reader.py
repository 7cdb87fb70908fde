"""One record, by its coordinates or by its key."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import confluent_kafka

from etld.kafka.errors import KafkaProblem
from etld.kafka.records import Records
from etld.kafka.types import Offset, Partition, Record, Watermarks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_AT_ONCE = 1000


def read_one(settings: Mapping[str, Any], where: Partition, offset: int, timeout: float = 10) -> Record | None:
    """The record at an offset, or None when Kafka does not hold it any more; raises `KafkaProblem`."""
    consumer = _consumer(settings)
    try:
        consumer.assign([confluent_kafka.TopicPartition(*where, offset)])
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is None:
                if message.offset() != offset:
                    return None
                return Records(where, [message]).record(0)
            if error.code() in (
                confluent_kafka.KafkaError._PARTITION_EOF,
                confluent_kafka.KafkaError._AUTO_OFFSET_RESET,
                confluent_kafka.KafkaError.OFFSET_OUT_OF_RANGE,
            ):
                return None
        raise KafkaProblem(f"Kafka does not give {where} offset {offset} within {timeout:.0f} s", code="ETLD-K001")
    except confluent_kafka.KafkaException as error:
        raise KafkaProblem(f"Kafka does not give {where} offset {offset}: {error}") from error
    finally:
        consumer.close()


class Search(NamedTuple):
    """`found`: the last record of the key by topic. `complete`: everything that Kafka holds was looked at.

    `kept_since`: the time of the oldest record of those partitions that deleted some; None when none did.
    """

    found: Mapping[str, Record]
    complete: bool
    kept_since: datetime | None


def find_key(
    settings: Mapping[str, Any], topics: Iterable[str], key: bytes, since: datetime | None, timeout: float = 10
) -> Search:
    """Look for a key in whole topics, from a time on if `since` is given, for `timeout` seconds at most.

    Raises `KafkaProblem`.
    """
    consumer = _consumer(settings)
    deadline = time.monotonic() + timeout
    try:
        left = _starts(consumer, topics, since)
        consumer.assign([confluent_kafka.TopicPartition(*where, span.low) for where, span in left.items()])
        found: dict[str, Record] = {}
        while left and time.monotonic() < deadline:
            for message in consumer.consume(_AT_ONCE, 0.2):
                where = Partition(message.topic(), message.partition())
                error = message.error()
                if error is not None and error.code() != confluent_kafka.KafkaError._PARTITION_EOF:
                    raise KafkaProblem(f"Kafka does not give {where}: {error.str()}")
                if error is not None or message.offset() >= left.get(where, Watermarks(0, 0)).high - 1:
                    left.pop(where, None)
                if error is None and message.key() == key:
                    found[where.topic] = Records(where, [message]).record(0)
        return Search(found, not left, None if found else _kept_since(settings, consumer, topics))
    except confluent_kafka.KafkaException as error:
        raise KafkaProblem(f"Kafka does not give the records of {', '.join(topics)}: {error}") from error
    finally:
        consumer.close()


def offsets_at(settings: Mapping[str, Any], topic: str, moment: datetime | None) -> dict[int, Offset]:
    """By partition, the first offset of that time or later (its end where there is none); None: the first there is.

    Raises `KafkaProblem`.
    """
    consumer = _consumer(settings)
    try:
        return {where.number: span.low for where, span in _since(consumer, [topic], moment).items()}
    except confluent_kafka.KafkaException as error:
        raise KafkaProblem(f"Kafka does not tell the offsets of {topic}: {error}") from error
    finally:
        consumer.close()


def _kept_since(settings: Mapping[str, Any], consumer: Any, topics: Iterable[str]) -> datetime | None:
    shortened = [(where, span) for where, span in _spans(consumer, topics).items() if span.low > 0]
    oldest = [read_one(settings, where, span.low) if span.low < span.high else None for where, span in shortened]
    times = [one.timestamp for one in oldest if one is not None and one.timestamp is not None]
    return min(times, default=datetime.now(UTC)) if shortened else None


def _spans(consumer: Any, topics: Iterable[str]) -> dict[Partition, Watermarks]:
    known = consumer.list_topics(timeout=10).topics
    spans: dict[Partition, Watermarks] = {}
    for topic in topics:
        for number in known[topic].partitions if topic in known else ():
            low, high = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, number), 10)
            spans[Partition(topic, number)] = Watermarks(low, high)
    return spans


def _starts(consumer: Any, topics: Iterable[str], since: datetime | None) -> dict[Partition, Watermarks]:
    """Partition to the offsets to begin and to end at, of those that hold any record of that time or later."""
    return {where: span for where, span in _since(consumer, topics, since).items() if span.low < span.high}


def _since(consumer: Any, topics: Iterable[str], since: datetime | None) -> dict[Partition, Watermarks]:
    spans = _spans(consumer, topics)
    if since is not None:
        asked = [confluent_kafka.TopicPartition(*where, int(since.timestamp() * 1000)) for where in spans]
        for answer in consumer.offsets_for_times(asked, 10) if asked else ():
            where = Partition(answer.topic, answer.partition)
            low, high = spans[where]
            # Below 0 stands for the end; a broker that does not know times answers with an error.
            if answer.error is None:
                spans[where] = Watermarks(max(low, answer.offset) if answer.offset >= 0 else high, high)
    return spans


def _consumer(settings: Mapping[str, Any]) -> Any:
    return confluent_kafka.Consumer(
        {
            **settings,
            "group.id": "etld-reader",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
        }
    )
