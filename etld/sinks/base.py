"""What the exactly-once loop asks of the place where the effects of its batches go.

A sink keeps the positions of a consumer group together with what they stand for. A claim raises the epoch of a
partition; a write moves every position of its batch from the offset that it expects, in the epoch of its claim, or
changes nothing. So of two processes that both believe they own a partition, only the later one can write.

There are two kinds, and the loop does not tell them apart:

- transactional, as PostgreSQL: `SinkWriter.write` moves the positions first, then runs the role's effects in the same
  transaction, and commits;
- one whose commits carry the positions, as a snapshot of a lake: `write` compares the positions of the newest
  snapshot, has the effects add files to the next one, and commits that with the new positions in it, provided that
  no other came between.

What a sink raises is `SinkError`, whose `verdict` says what to do next; `Fenced` ends the session. An exception of the
role's own passes through as it is. The suite in tests/contract/sinks holds every sink to this.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from etld.errors import EtldError
from etld.kafka.types import Offset, Partition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from contextlib import AbstractContextManager

    import polars as pl

#: "retry": the sink or the way to it, so the same batch goes again, for ever. "stop": nothing goes until a person
#: mends it. "data": a record in the batch. "conflict": an event id that is stored already.
Verdict = Literal["retry", "stop", "data", "conflict"]

RECREATED = "TOPIC_RECREATED"
OFFSET_LOST = "OFFSET_LOST"
OFFSET_BEYOND = "OFFSET_BEYOND"

#: What is counted of a partition since ever. `expired` and `forgotten` are events that were stored and are gone.
TOTALS = ("stored", "duplicate", "filtered", "dead", "expired", "forgotten")

#: Records of which a sink may refuse each, and the batch is still done within seconds.
PIECE = 1000


class Fenced(EtldError):
    """Somebody else has claimed a partition of this batch since: the batch is theirs now."""

    code = "ETLD-P020"


class TooManyRefused(EtldError):
    """The sink refuses so many records of a batch that it is written in pieces instead."""

    code = "ETLD-P025"


class SinkError(EtldError):
    """The sink did not do what was asked; the message is its own.

    `state` is how the sink numbers it ("SQLSTATE 23505"), or "".
    """

    code = "ETLD-P019"

    def __init__(self, text: str, verdict: Verdict, state: str = "", *, code: str = "") -> None:
        super().__init__(text, code=code)
        self.verdict: Verdict = verdict
        self.state = state


@dataclass(frozen=True, slots=True)
class Consumer:
    """Whose positions a sink keeps: a consumer group on one cluster, and the process that writes them.

    `owner` is "NAME#TOKEN": the token tells this process from any other of the same name. A broker in memory forgets
    its topics when it ends.
    """

    cluster_id: str
    group: str
    owner: str
    in_memory_broker: bool = False


@dataclass(frozen=True, slots=True)
class PartitionLog:
    """What Kafka says of a partition at the moment of the claim."""

    partition: Partition
    topic_id: str
    low: Offset
    high: Offset


@dataclass(frozen=True, slots=True)
class Claimed:
    """A partition that is ours, from `next_offset` on, as long as nobody raises `epoch`.

    `totals` are the counts of its records since ever, by outcome. `failed_over`: the first claim since the sink went
    over to a standby, which may have been behind: its position may have gone back.
    """

    partition: Partition
    topic_id: str
    next_offset: Offset
    epoch: int
    totals: Mapping[str, int] = field(default_factory=dict)
    failed_over: bool = False


@dataclass(frozen=True, slots=True)
class Halted:
    """A partition that stands still until a person decides: why, in words."""

    partition: Partition
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class RecordCounts:
    """What became of records, in records."""

    stored: int = 0
    duplicate: int = 0
    filtered: int = 0
    dead: int = 0

    def __add__(self, other: RecordCounts) -> RecordCounts:
        return RecordCounts(
            self.stored + other.stored,
            self.duplicate + other.duplicate,
            self.filtered + other.filtered,
            self.dead + other.dead,
        )


@dataclass(frozen=True, slots=True)
class Advance:
    """One partition's step: from `expected` to `next`, over `consumed` records and `gaps` empty offsets."""

    partition: Partition
    topic_id: str
    epoch: int
    expected: Offset
    next: Offset
    consumed: int
    gaps: int


@dataclass(frozen=True, slots=True)
class EventRows:
    """Events for the table of events, as the sink's `encode` made them ready.

    The frames have the columns of an event, `row` (its number in the batch), `accepted_at`, `kafka_partition` and
    `kafka_offset`. `payload` is the sink's own, of `size` bytes.
    """

    frames: Sequence[pl.DataFrame]
    payload: Any = None
    size: int = 0

    @property
    def height(self) -> int:
        """How many events."""
        return sum(frame.height for frame in self.frames)


def joined(parts: Sequence[EventRows]) -> EventRows:
    """Several as one, for a sink that makes nothing of them ahead of the write."""
    return EventRows([frame for one in parts for frame in one.frames])


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """An event that the sink refuses; `row` is its number in the batch.

    `silently`: the sink took it without an error, and it is not there.
    """

    row: int
    error_class: str
    message: str
    code: str | None = None
    silently: bool = False


@dataclass(frozen=True, slots=True)
class StoredRows:
    """How many events were new, by number of the partition, and those that the sink refuses."""

    stored: Mapping[int, int]
    refused: Sequence[RefusedRow] = ()


class Transaction(ABC):
    """An open write: what is done through it happens together with the positions, or not at all.

    Roles only pass it on. Modules that know a sink take what they need out of it.
    """

    @abstractmethod
    def write_events(self, rows: EventRows, verdict: Verdict | None) -> StoredRows | None:
        """Store events; None when each was stored.

        `verdict` is None at first, and "conflict" or "data" after the sink refused the last try for that reason: then
        find which events are stored already, and which are refused. Raises `TooManyRefused` when those are too many.
        """


class SideConnection:
    """A connection for what a role does beside its batches; roles only pass it on."""


class SinkWriter(ABC):
    """Writes batches, in a thread of its own."""

    @abstractmethod
    def write(
        self,
        advances: Sequence[Advance],
        outcomes: Mapping[Partition, RecordCounts],
        effects: Callable[[Transaction], Mapping[Partition, RecordCounts]],
    ) -> Mapping[Partition, Mapping[str, int]]:
        """Move positions, have the effects and count the outcomes, all or nothing.

        Returns the totals of each partition since ever, by outcome.
        Raises `Fenced` when a position is not where the batch expects it, or in another epoch, and `SinkError`; after
        one of verdict "retry" it may have happened all the same: ask `happened`.
        """

    @abstractmethod
    def happened(self, advances: Sequence[Advance]) -> bool:
        """After a write without an answer: is it there? Raises `Fenced` when partitions went on, and `SinkError`."""

    @abstractmethod
    def disconnect(self) -> None:
        """Give the connection up; the next call makes a new one."""


class Sink(ABC):
    """One consumer's way to the sink. All but what `writer` returns is called in the loop's thread."""

    #: The name of the fault while it is out of reach, and of the sink in messages.
    name: ClassVar[str]
    title: ClassVar[str]

    #: A write may take so many seconds; None: as long as [postgres] lets a statement and a connection take.
    write_within: ClassVar[float | None] = None

    #: Why it is out of reach at the moment, or None.
    problem: str | None = None

    @abstractmethod
    def claim(self, logs: Sequence[PartitionLog]) -> tuple[list[Claimed], list[Halted]]:
        """Make partitions ours; those that must not be read are noted as halted and told apart.

        Waits for an open write of the former owner, and returns the offsets after it; that of an owner that is frozen
        is ended after a moment. Raises `SinkError`.
        """

    @abstractmethod
    def note_rewound(self, records: Mapping[Partition, int]) -> None:
        """Count records of partitions that are read again, since the sink failed over; raises `SinkError`."""

    @abstractmethod
    def halted(self) -> set[Partition]:
        """The partitions that are noted as halted now; raises `SinkError`."""

    @abstractmethod
    def epochs(self) -> Mapping[Partition, int]:
        """The epoch of each position of this group now, -1 for one that a failover has ended; raises `SinkError`."""

    @abstractmethod
    def has_rival(self, claimed: Collection[Partition]) -> bool:
        """Has another process of our name taken one of the partitions that we claimed? Raises `SinkError`."""

    @abstractmethod
    def writer(self) -> SinkWriter:
        """A new writer."""

    @abstractmethod
    def beside(self) -> AbstractContextManager[SideConnection]:
        """The connection for work beside the batches. Raises `SinkError`, also for what goes wrong in the body."""

    @abstractmethod
    def reachable(self) -> bool:
        """Is that connection there, or can be made? Else `problem` says why not; asks only now and then."""

    @abstractmethod
    def disconnect(self) -> None:
        """Give that connection up; the next use makes a new one."""

    def encode(self, frames: Sequence[pl.DataFrame]) -> EventRows:
        """Make events ready for `Transaction.write_events`, ahead of the write."""
        return EventRows(frames)

    def join(self, parts: Sequence[EventRows]) -> EventRows:
        """One of several that `encode` made, in this order."""
        return joined(parts)

    def leave_out(self, rows: EventRows, numbers: Collection[int]) -> EventRows:
        """What `encode` or `join` made, without the events of some partitions of the topic, by number."""
        return EventRows([frame.filter(~frame["kafka_partition"].is_in(list(numbers))) for frame in rows.frames])
