"""One record, by its coordinates."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import confluent_kafka

from etld.kafka.errors import KafkaProblem
from etld.kafka.records import Records
from etld.kafka.types import Partition, Record

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_one(settings: Mapping[str, Any], where: Partition, offset: int, timeout: float = 10) -> Record | None:
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
        raise KafkaProblem(f"Kafka does not give {where} offset {offset} within {timeout:.0f} s")
    except confluent_kafka.KafkaException as error:
        raise KafkaProblem(f"Kafka does not give {where} offset {offset}: {error}") from error
    finally:
        consumer.close()
