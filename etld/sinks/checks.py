"""What every sink decides alike about positions; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.sinks.base import OFFSET_BEYOND, OFFSET_LOST, RECREATED, Fenced, Halted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.kafka.types import Offset, Partition
    from etld.sinks.base import Advance, PartitionLog


def halt(log: PartitionLog, topic_id: str, next_offset: Offset, *, in_memory_broker: bool) -> Halted | None:
    """Why a partition whose position is `next_offset` must not be read on, or None."""
    reason = _reason(log, topic_id, next_offset, in_memory_broker=in_memory_broker)
    return None if reason is None else Halted(log.partition, reason, _explain(reason, log, next_offset))


def happened(advances: Sequence[Advance], now: Mapping[Partition, tuple[int, Offset]]) -> bool:
    """Did a write without an answer happen? `now` maps partitions to epoch and position. Raises `Fenced`."""
    if all(now.get(one.partition) == (one.epoch, one.next) for one in advances):
        return True
    if all(now.get(one.partition) == (one.epoch, one.expected) for one in advances):
        return False
    raise Fenced(
        "the partitions have another owner since the connection broke; if this batch was written before,"
        " the new owner goes on behind it, else it reads it again"
    )


def fenced(of: int, gone: int) -> Fenced:
    """The error for a batch of `of` partitions, `gone` of which are no longer as it expects."""
    return Fenced(f"{gone} of {of} partitions have another owner now; nothing of this batch was written")


def same_name(owner: str, other: str) -> bool:
    """Are these two processes of one name?"""
    return owner != other and owner.partition("#")[0] == other.partition("#")[0]


def _reason(log: PartitionLog, topic_id: str, next_offset: Offset, *, in_memory_broker: bool) -> str | None:
    if topic_id != log.topic_id:
        return RECREATED
    if next_offset < log.low:
        return OFFSET_LOST
    # The in-memory broker tells a wrong end of the log.
    if next_offset > log.high and not in_memory_broker:
        return OFFSET_BEYOND
    return None


def _explain(reason: str, log: PartitionLog, next_offset: Offset) -> str:
    where = log.partition
    way_out = f"`etld resume processor --from low {where}` goes on at offset {log.low} and records what is given up"
    if reason == RECREATED:
        return f"topic {where.topic} was deleted and made anew (its id changed): {way_out}"
    if reason == OFFSET_LOST:
        lost = log.low - next_offset
        span = f"{next_offset} to {log.low - 1}"
        return f"{where}: retention deleted {lost} records before they were read ({span}): {way_out}"
    return f"{where}: the next offset is {next_offset}, and the log ends at {log.high}: Kafka lost records; {way_out}"
