"""Positions of consumer groups as the summary of a snapshot carries them: pure.

A snapshot that somebody else made (a compaction, a repair) carries none, so the newest one that does counts. Properties
of the table say the same as that one, and which it is, for the day when it has expired. A table that is rolled back to
an older snapshot has the positions of that snapshot, and the records behind them are read again.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from etld.kafka.types import Offset, Partition
from etld.sinks import checks
from etld.sinks.base import TOTALS, RecordCounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.sinks.base import Advance, Consumer, PartitionLog

#: The property of a snapshot's summary, and of the table.
KEY: Final = "etld.positions"
#: The table's property that says the number of the snapshot whose positions the other one has.
SEQUENCE: Final = "etld.positions.sequence"
# Beside the groups, which all have a slash in their names.
_MOVED = "moved"


class Snapshot(Protocol):
    """What is asked of a snapshot."""

    @property
    def parent_snapshot_id(self) -> int | None:
        """The one before it."""

    @property
    def sequence_number(self) -> int | None:
        """Its number, which grows."""

    @property
    def summary(self) -> Any:
        """Its properties."""


class Metadata(Protocol):
    """What is asked of a table."""

    @property
    def properties(self) -> Mapping[str, str]:
        """Those of the table."""

    def current_snapshot(self) -> Any:
        """The newest snapshot, None before there is one."""

    def snapshot_by_id(self, snapshot_id: int) -> Any:
        """That one, None when it has expired."""


@dataclass(frozen=True, slots=True)
class LakePosition:
    """Where a group is in a partition, since when, whose it is, and what became of the records until there.

    `ended` is what was stored in earlier lives, before the topic was made anew.
    """

    topic_id: str
    start: Offset
    next: Offset
    epoch: int = 0
    owner: str = ""
    halted: str = ""
    consumed: int = 0
    gaps: int = 0
    lost: int = 0
    stored: int = 0
    duplicate: int = 0
    filtered: int = 0
    dead: int = 0
    ended: int = 0

    @property
    def totals(self) -> dict[str, int]:
        """The counts by outcome; what leaves the lake is not counted."""
        return {name: getattr(self, name, 0) for name in TOTALS}

    def claimed(self, owner: str, known: int = 0) -> LakePosition:
        """It is another process's now, in an epoch beyond this one's and the one that others `known`."""
        return replace(self, epoch=max(self.epoch, known) + 1, owner=owner)

    def begun_anew(self, log: PartitionLog) -> LakePosition:
        """A life of its own, since the topic was made anew, or its log ends before the position."""
        return LakePosition(log.topic_id, log.low, log.low, self.epoch, self.owner, ended=self.ended + self.stored)

    def given_up(self, low: Offset) -> LakePosition:
        """What is before `low` is lost."""
        return replace(self, next=low, lost=self.lost + max(0, low - self.next))


Book = dict[Partition, LakePosition]


def read(table: Metadata, consumer: Consumer) -> Book:
    """The positions of a consumer's group."""
    return {
        _partition(name): LakePosition(**values) for name, values in _groups(table).get(_group(consumer), {}).items()
    }


def written(table: Metadata, consumer: Consumer, book: Book) -> str:
    """What the next snapshot is to carry: the group's positions as they are now, and all else as it was."""
    own = {str(partition): _short(position) for partition, position in sorted(book.items())}
    return _text({**_groups(table), _group(consumer): own})


def moved(table: Metadata, what: str) -> Counter[int]:
    """How many rows left the table on purpose, "expired" or "forgotten", or came from PostgreSQL, "backfilled".

    By number of the partition of the topic.
    """
    return Counter({int(number): count for number, count in _groups(table).get(_MOVED, {}).get(what, {}).items()})


def carried(table: Metadata, more: Mapping[str, Mapping[int, int]] | None = None) -> str:
    """What a snapshot of the upkeep is to carry: all as it was, and so many more rows moved, as `moved` tells them."""
    groups = _groups(table)
    now = dict(groups.get(_MOVED, {}))
    for what, counts in (more or {}).items():
        now[what] = {str(number): count for number, count in sorted((moved(table, what) + Counter(counts)).items())}
    return _text({**groups, **({_MOVED: now} if now else {})})


def expected(table: Metadata) -> Counter[int]:
    """How many rows the table has, going by what the newest snapshot carries, by number of the partition."""
    found: Counter[int] = Counter()
    for name, positions in _groups(table).items():
        for partition, values in positions.items() if name != _MOVED else ():
            found[_partition(partition).number] += values.get("stored", 0) + values.get("ended", 0)
    found.update(moved(table, "backfilled"))
    for what in ("expired", "forgotten"):
        found.subtract(moved(table, what))
    return found


def topic_ids(table: Metadata) -> dict[int, str]:
    """The id of the topic by number of the partition, whatever group has read it."""
    return {
        _partition(name).number: str(values["topic_id"])
        for group, positions in _groups(table).items()
        if group != _MOVED
        for name, values in positions.items()
    }


def fence(book: Book, advances: Sequence[Advance]) -> None:
    """Raise `Fenced` unless each partition is where the batch expects it."""
    gone = sum(not _is_at(book.get(one.partition), one) for one in advances)
    if gone:
        raise checks.fenced(len(advances), gone)


def advanced(
    book: Book,
    advances: Sequence[Advance],
    outcomes: Mapping[Partition, RecordCounts],
    changes: Mapping[Partition, RecordCounts],
) -> Book:
    """The positions after a batch."""
    after = dict(book)
    for one in advances:
        before = after[one.partition]
        counts = RecordCounts(before.stored, before.duplicate, before.filtered, before.dead)
        counts += outcomes.get(one.partition, _NOTHING) + changes.get(one.partition, _NOTHING)
        after[one.partition] = replace(
            before,
            next=one.next,
            consumed=before.consumed + one.consumed,
            gaps=before.gaps + one.gaps,
            stored=counts.stored,
            duplicate=counts.duplicate,
            filtered=counts.filtered,
            dead=counts.dead,
        )
    return after


_NOTHING = RecordCounts()


def _is_at(mine: LakePosition | None, advance: Advance) -> bool:
    wanted = (advance.topic_id, advance.epoch, advance.expected)
    return mine is not None and (mine.topic_id, mine.epoch, mine.next) == wanted


def _groups(table: Metadata) -> dict[str, dict[str, Any]]:
    newest: Snapshot | None = table.current_snapshot()
    snapshot = newest
    while snapshot is not None:
        text = snapshot.summary[KEY] if snapshot.summary is not None else None
        if text is not None:
            return _parsed(text)
        # What comes before one that has expired is not told any more.
        parent = snapshot.parent_snapshot_id
        snapshot = None if parent is None else table.snapshot_by_id(parent)
    if newest is None or (newest.sequence_number or 0) < int(table.properties.get(SEQUENCE, 0)):
        return {}
    return _parsed(table.properties.get(KEY, "{}"))


def _text(groups: Mapping[str, Any]) -> str:
    return json.dumps(groups, separators=(",", ":"))


def _parsed(text: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found


def _short(position: LakePosition) -> dict[str, Any]:
    """Without what is nothing."""
    return {name: value for name, value in asdict(position).items() if value or name in ("topic_id", "start", "next")}


def _group(consumer: Consumer) -> str:
    return f"{consumer.cluster_id}/{consumer.group}"


def _partition(name: str) -> Partition:
    topic, _, number = name.rpartition(":")
    return Partition(topic, int(number))
