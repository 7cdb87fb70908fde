"""`etld resume processor --from low`: let halted partitions go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.errors import EtldError
from etld.kafka.admin import Admin
from etld.kafka.types import Partition
from etld.sinks.base import PartitionLog
from etld.sinks.postgres.give_up import GivenUp, give_up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.postgres.connections import Connection


def resume_from_low(conn: Connection, settings: Mapping[str, Any], where: str) -> list[GivenUp]:
    """Move the halted partitions of `where` ("TOPIC" or "TOPIC:PARTITION") to their low watermark.

    Records the range that is given up. Raises `EtldError` when there is no such topic or nothing is halted.
    """
    topic, _, number = where.partition(":")
    if number and not number.isdigit():
        raise EtldError(f"{where!r}: expected TOPIC or TOPIC:PARTITION", code="ETLD-X001")
    admin = Admin(settings)
    known = admin.topics([topic]).get(topic)
    if known is None:
        raise EtldError(f"Kafka has no topic {topic}", code="ETLD-K012")
    marks = admin.watermarks(topic, range(known.partitions))
    found = {
        number: PartitionLog(Partition(topic, number), known.topic_id, low, high)
        for number, (low, high) in marks.items()
    }
    return give_up(conn, admin.cluster_id(), topic, int(number) if number else None, found)
