"""`etld resume processor --from low`: halted partitions go on, and what is given up is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.errors import EtldError
from etld.kafka.types import Partition
from etld.postgres import statements
from etld.sinks.base import OFFSET_LOST, RECREATED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.postgres.connections import Connection
    from etld.sinks.base import PartitionLog

_SQL = statements.load(__package__, "positions")


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A halted partition that goes on from the first offset that is kept; `lost` offsets are given up.

    `low` is None for one that the topic no longer has: its position is in the history.
    """

    group: str
    partition: Partition
    reason: str
    low: int | None
    lost: int


def give_up(
    conn: Connection,
    cluster_id: str,
    topic: str,
    number: int | None,
    found: Mapping[int, PartitionLog],
) -> list[GivenUp]:
    """Let halted partitions go on from their low watermark, and record what is given up.

    `found` maps numbers of partitions to what Kafka says now. Raises `EtldError` when none of them is halted.
    """
    done = []
    with conn.transaction():
        rows = conn.execute(
            _SQL.halted, {"cluster": cluster_id, "topic": topic, "partition": number, "there": list(found)}
        ).fetchall()
        if not rows:
            what = topic if number is None else f"{topic}:{number}"
            raise EtldError(f"{what} is not halted: nothing to resume from low", code="ETLD-T007")
        for group, name, its_number, topic_id, next_offset, reason in rows:
            partition = Partition(name, its_number)
            where: dict[str, Any] = {"cluster": cluster_id, "group": group, "topic": name, "partition": its_number}
            seen = found.get(its_number)
            if seen is None:
                conn.execute(_SQL.archive, {**where, "reason": RECREATED})
                conn.execute(_SQL.forget, where)
                done.append(GivenUp(group, partition, RECREATED, None, 0))
                continue
            lost = 0
            if reason == OFFSET_LOST and topic_id == seen.topic_id:
                lost = max(0, seen.low - next_offset)
                conn.execute(_SQL.archive, {**where, "reason": "lost"})
                conn.execute(_SQL.skip_lost, {**where, "low": seen.low})
            else:
                conn.execute(_SQL.archive, {**where, "reason": reason})
                conn.execute(_SQL.restart, {**where, "topic_id": seen.topic_id, "low": seen.low})
            done.append(GivenUp(group, partition, reason, seen.low, lost))
    return done
