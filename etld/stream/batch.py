"""Records of one poll, by partition, and what a step over them does to positions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from etld.sinks.postgres.positions import Move, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["Batch", "Key", "Owned", "Records", "Tally", "group"]

Key = tuple[str, int]


@dataclass(slots=True)
class Owned:
    """A partition that this process has claimed; `next` is where the next batch must begin."""

    topic_id: str
    epoch: int
    next: int


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one partition in offset order.

    `expected` is the position before them, `next_offset` the one after; offsets between that hold no
    record are gaps. `messages` are the Kafka client's, for headers.
    """

    topic: str
    partition: int
    topic_id: str
    epoch: int
    expected: int
    next_offset: int
    offsets: list[int]
    values: list[bytes | None]
    messages: Sequence[Any]

    @property
    def key(self) -> Key:
        return (self.topic, self.partition)

    @property
    def move(self) -> Move:
        """The step of this partition's position."""
        count = len(self.offsets)
        gaps = self.next_offset - self.expected - count
        return Move(self.topic, self.partition, self.topic_id, self.epoch, self.expected, self.next_offset, count, gaps)

    def split(self, count: int) -> tuple[Records, Records]:
        """The first `count` records, and the rest."""
        middle = self.offsets[count]
        head = replace(
            self,
            next_offset=middle,
            offsets=self.offsets[:count],
            values=self.values[:count],
            messages=self.messages[:count],
        )
        tail = replace(
            self,
            expected=middle,
            offsets=self.offsets[count:],
            values=self.values[count:],
            messages=self.messages[count:],
        )
        return head, tail


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one step, at most one `Records` a partition."""

    parts: tuple[Records, ...]
    values: list[bytes | None] = field(init=False)

    def __post_init__(self) -> None:
        if len(self.parts) == 1:
            values = self.parts[0].values
        else:
            values = [value for part in self.parts for value in part.values]
        object.__setattr__(self, "values", values)

    @property
    def count(self) -> int:
        return len(self.values)

    @property
    def moves(self) -> list[Move]:
        return [part.move for part in self.parts]

    def __iter__(self) -> Iterator[Records]:
        return iter(self.parts)

    def locate(self, row: int) -> tuple[Records, int]:
        """The partition of a row of `values`, and the record's index in it; raises IndexError."""
        for part in self.parts:
            if row < len(part.offsets):
                return part, row
            row -= len(part.offsets)
        raise IndexError("row outside the batch")

    def split(self, count: int) -> tuple[Batch, Batch]:
        """The first `count` records, and the rest; 0 < count < self.count."""
        head: list[Records] = []
        tail: list[Records] = []
        left = count
        for part in self.parts:
            size = len(part.offsets)
            if left >= size:
                head.append(part)
                left -= size
            elif left <= 0:
                tail.append(part)
            else:
                first, rest = part.split(left)
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

    def without(self, keys: Iterable[Key]) -> Batch | None:
        """The batch less some partitions; None when nothing is left."""
        gone = set(keys)
        kept = tuple(part for part in self.parts if part.key not in gone)
        return Batch(kept) if kept else None


def group(messages: Sequence[Any], ends: Mapping[Key, int], owned: Mapping[Key, Owned]) -> Batch | None:
    """Sort what was polled by partition and move `owned` on; None when there is nothing to do.

    Records of partitions that are not owned, or before the position, are left out. An end of a partition
    beyond its last record means that the offsets between hold no record (markers of transactions).
    """
    by_key: dict[Key, list[Any]] = {}
    if messages:
        # Methods of the class, and runs of one partition: loops in C, for every record of a backlog comes by here.
        kind = type(messages[0])
        for topic, same_topic in groupby(messages, kind.topic):
            for partition, run in groupby(same_topic, kind.partition):
                by_key.setdefault((topic, partition), []).extend(run)
    parts: list[Records] = []
    for key in sorted(by_key.keys() | ends.keys()):
        mine = owned.get(key)
        if mine is None:
            continue
        found = by_key.get(key, [])
        offsets = list(map(type(found[0]).offset, found)) if found else []
        if offsets and offsets[0] < mine.next:
            keep = next((i for i, offset in enumerate(offsets) if offset >= mine.next), len(offsets))
            found, offsets = found[keep:], offsets[keep:]
        after = max(offsets[-1] + 1 if offsets else mine.next, ends.get(key, 0))
        if after <= mine.next:
            continue
        values = list(map(type(found[0]).value, found)) if found else []
        parts.append(Records(*key, mine.topic_id, mine.epoch, mine.next, after, offsets, values, found))
        mine.next = after
    return Batch(tuple(parts)) if parts else None
