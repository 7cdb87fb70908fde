"""One record, by its coordinates."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import confluent_kafka

from etld.kafka.errors import KafkaProblem

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Record:
    """A record as Kafka holds it; `timestamp` is its producer's, or None."""

    timestamp: datetime | None
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


def read_one(
    settings: Mapping[str, Any], topic: str, partition: int, offset: int, timeout: float = 10
) -> Record | None:
    """The record at an offset, or None when Kafka does not hold it any more; raises `KafkaProblem`."""
    consumer = confluent_kafka.Consumer(
        {
            **settings,
            "group.id": "etld-reader",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
        }
    )
    try:
        consumer.assign([confluent_kafka.TopicPartition(topic, partition, offset)])
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is None:
                if message.offset() != offset:
                    return None
                return Record(timestamp(message), message.key(), message.value(), _headers(message))
            if error.code() in (
                confluent_kafka.KafkaError._PARTITION_EOF,
                confluent_kafka.KafkaError._AUTO_OFFSET_RESET,
                confluent_kafka.KafkaError.OFFSET_OUT_OF_RANGE,
            ):
                return None
        raise KafkaProblem(f"Kafka does not give {topic}:{partition} offset {offset} within {timeout:.0f} s")
    except confluent_kafka.KafkaException as error:
        raise KafkaProblem(f"Kafka does not give {topic}:{partition} offset {offset}: {error}") from error
    finally:
        consumer.close()


def timestamp(message: Any) -> datetime | None:
    """When the producer (or the broker, where a topic is set so) says that a record was made."""
    kind, milliseconds = message.timestamp()
    if kind == confluent_kafka.TIMESTAMP_NOT_AVAILABLE:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # a foreign producer may write anything
        return None


def _headers(message: Any) -> dict[str, bytes]:
    return dict(message.headers() or ())
