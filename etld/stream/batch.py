"""Records of one poll, by partition, and what a step over them does to positions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from etld.kafka.records import Records, SpentRecords
from etld.sinks.base import Advance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from etld.kafka.ports import Polled
    from etld.kafka.types import Offset, Partition


@dataclass(slots=True)
class Owned:
    """A partition that this process has claimed; `next` is where the next batch must begin."""

    topic_id: str
    epoch: int
    next: Offset


@dataclass(frozen=True, slots=True)
class PartitionBatch:
    """One partition's share of a batch.

    `expected` is the position before its records, `next_offset` the one after; offsets between that hold no
    record are gaps.
    """

    partition: Partition
    topic_id: str
    epoch: int
    expected: Offset
    next_offset: Offset
    records: Records

    @property
    def count(self) -> int:
        """Its records."""
        return len(self.records)

    @property
    def advance(self) -> Advance:
        """The step of this partition's position."""
        gaps = self.next_offset - self.expected - self.count
        return Advance(self.partition, self.topic_id, self.epoch, self.expected, self.next_offset, self.count, gaps)

    def split(self, count: int) -> tuple[PartitionBatch, PartitionBatch]:
        """The first `count` records, and the rest."""
        middle = self.records.offsets[count]
        head = replace(self, next_offset=middle, records=self.records[:count])
        tail = replace(self, expected=middle, records=self.records[count:])
        return head, tail


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one step, at most one `PartitionBatch` a partition."""

    shares: tuple[PartitionBatch, ...]
    values: list[bytes | None] = field(init=False)

    def __post_init__(self) -> None:
        if len(self.shares) == 1:
            values = self.shares[0].records.values
        else:
            values = [value for share in self.shares for value in share.records.values]
        object.__setattr__(self, "values", values)

    @property
    def count(self) -> int:
        """The records of all partitions."""
        return sum(share.count for share in self.shares)

    @property
    def advances(self) -> list[Advance]:
        """The step of each partition's position."""
        return [share.advance for share in self.shares]

    def __iter__(self) -> Iterator[PartitionBatch]:
        return iter(self.shares)

    def locate(self, row: int) -> tuple[PartitionBatch, int]:
        """The partition of a row of `values`, and the record's index in it; raises IndexError."""
        for share in self.shares:
            if row < share.count:
                return share, row
            row -= share.count
        raise IndexError("row outside the batch")

    def header(self, name: str) -> dict[int, bytes]:
        """The header of that name by the row of each record that has it."""
        found: dict[int, bytes] = {}
        before = 0
        for share in self.shares:
            found.update({before + index: value for index, value in share.records.header(name).items()})
            before += share.count
        return found

    def split(self, count: int) -> tuple[Batch, Batch]:
        """The first `count` records, and the rest; 0 < count < self.count."""
        head: list[PartitionBatch] = []
        tail: list[PartitionBatch] = []
        left = count
        for share in self.shares:
            if left >= share.count:
                head.append(share)
                left -= share.count
            elif left <= 0:
                tail.append(share)
            else:
                first, rest = share.split(left)
                head.append(first)
                tail.append(rest)
                left = 0
        return Batch(tuple(head)), Batch(tuple(tail))

    def pieces(self, size: int) -> Iterator[Batch]:
        """The batch in order, in batches of `size` records and one of the rest."""
        rest = self
        while rest.count > size:
            head, rest = rest.split(size)
            yield head
        yield rest

    def without(self, partitions: Iterable[Partition]) -> Batch | None:
        """The batch less some partitions; None when nothing is left."""
        gone = set(partitions)
        kept = tuple(share for share in self.shares if share.partition not in gone)
        return Batch(kept) if kept else None


def spent(batches: Sequence[Batch]) -> Batch:
    """Batches that follow each other as one step, whose records are needed no more."""
    shares: dict[Partition, PartitionBatch] = {}
    for batch in batches:
        for share in batch:
            first = shares.get(share.partition, share)
            count = share.count + (first.count if first is not share else 0)
            some = first if first.count else share
            records = SpentRecords(share.partition, count, some.records.values[0] if some.count else None)
            shares[share.partition] = replace(first, next_offset=share.next_offset, records=records)
    return Batch(tuple(shares[partition] for partition in sorted(shares)))


def up_to(polled: Polled, until: Mapping[Partition, Offset]) -> Polled:
    """What was polled, without what stands at or behind the offsets of `until`."""
    records, ends = dict(polled.records), dict(polled.ends)
    for partition, offset in until.items():
        found = records.pop(partition, None)
        end = ends.pop(partition, None)
        if found is not None:
            before = found.before(offset)
            if before:
                records[partition] = before
            if len(before) < len(found):
                end = offset  # a record behind it: what is missing before it is no record
        if end is not None:
            ends[partition] = min(end, offset)
    return replace(polled, records=records, ends=ends)


def next_batch(polled: Polled, owned: Mapping[Partition, Owned]) -> Batch | None:
    """What was polled, as a step of the positions in `owned`, which move on; None when there is nothing to do.

    Records of partitions that are not owned, or before the position, are left out. An end of a partition
    beyond its last record means that the offsets between hold no record (markers of transactions).
    """
    shares: list[PartitionBatch] = []
    for partition in sorted(polled.records.keys() | polled.ends.keys()):
        mine = owned.get(partition)
        if mine is None:
            continue
        records = polled.records.get(partition) or Records(partition)
        records = records.starting_at(mine.next)
        after = max(records.offsets[-1] + 1 if records else mine.next, polled.ends.get(partition, 0))
        if after <= mine.next:
            continue
        shares.append(PartitionBatch(partition, mine.topic_id, mine.epoch, mine.next, after, records))
        mine.next = after
    return Batch(tuple(shares)) if shares else None
