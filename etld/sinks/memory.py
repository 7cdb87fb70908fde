"""A sink in memory, for tests of what writes to one: positions and effects in a dictionary, and faults by order."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from etld.sinks import checks
from etld.sinks.base import (
    TOTALS,
    Claimed,
    RecordCounts,
    RefusedRow,
    SideConnection,
    Sink,
    SinkError,
    SinkWriter,
    StoredRows,
    Transaction,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from etld.kafka.types import Partition
    from etld.sinks.base import Advance, Consumer, EventRows, Halted, PartitionLog, Verdict
    from etld.worker import Worker


@dataclass
class Position:
    """Where a consumer group is in a partition, since when, and what became of the records until there."""

    topic_id: str
    start: int
    next: int
    epoch: int = 0
    owner: str = ""
    halted: str = ""
    rewound: int = 0
    failed_over: bool = False
    outcomes: RecordCounts = field(default_factory=RecordCounts)


@dataclass(frozen=True, slots=True)
class Standby:
    """What a store has had at one moment."""

    positions: dict[tuple[str, str], dict[Partition, Position]]
    rows: dict[str, dict[str, Any]]
    effects: list[Any]


class MemoryStore:
    """What several sinks share, as several connections share a database.

    `rows` are the stored events by id, `effects` whatever else was added. Faults: `away` refuses everything with this
    text, `faults` are raised by the next writes (before anything happens), `lost_answers` say of the next commits that
    their answer is lost, and whether they happen; `refused` are the ids of events that are refused as data. A write
    waits while `gate` is not set.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.positions: dict[tuple[str, str], dict[Partition, Position]] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        self.effects: list[Any] = []
        self.away: str | None = None
        self.faults: deque[Exception] = deque()
        self.lost_answers: deque[bool] = deque()
        self.refused: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()

    def standby(self) -> Standby:
        """What a standby that gets nothing more from now on has."""
        with self.lock:
            positions = {
                group: {key: replace(one) for key, one in all_.items()} for group, all_ in self.positions.items()
            }
            return Standby(positions, dict(self.rows), list(self.effects))

    def fail_over(self, standby: Standby) -> None:
        """Go on from a standby: what came after it is gone, and so is each claim."""
        with self.lock:
            self.rows, self.effects = standby.rows, standby.effects
            for group, partitions in standby.positions.items():
                for partition, one in partitions.items():
                    # Beyond all that the former one has given.
                    epoch = self.positions[group][partition].epoch + (1 << 40)
                    self.positions[group][partition] = replace(one, epoch=epoch, failed_over=True)

    def check(self) -> None:
        """Raise `SinkError` while it is away."""
        if self.away is not None:
            raise SinkError(self.away, "retry")


class MemorySink(Sink):
    """One consumer's way to a store."""

    name: ClassVar[str] = "memory"
    title: ClassVar[str] = "The sink in memory"

    def __init__(self, store: MemoryStore, consumer: Consumer) -> None:
        self.store = store
        self._consumer = consumer
        self._side = SideConnection()

    @property
    def positions(self) -> dict[Partition, Position]:
        """The positions of the consumer's group."""
        return self.store.positions.setdefault((self._consumer.cluster_id, self._consumer.group), {})

    def claim(self, logs: Sequence[PartitionLog]) -> tuple[list[Claimed], list[Halted]]:
        """See `Sink`."""
        claimed: list[Claimed] = []
        halted: list[Halted] = []
        with self.store.lock:
            self.store.check()
            for log in logs:
                mine = self.positions.setdefault(log.partition, Position(log.topic_id, log.low, log.low))
                if mine.topic_id != log.topic_id and self._consumer.in_memory_broker:
                    mine.topic_id, mine.start, mine.next, mine.outcomes = log.topic_id, log.low, log.low, RecordCounts()
                mine.epoch, mine.owner = mine.epoch + 1, self._consumer.owner
                halt = checks.halt(log, mine.topic_id, mine.next, in_memory_broker=self._consumer.in_memory_broker)
                mine.halted = halt.reason if halt else ""
                if halt is not None:
                    halted.append(halt)
                    continue
                totals = _totals(mine.outcomes)
                claimed.append(
                    Claimed(log.partition, mine.topic_id, mine.next, mine.epoch, totals, failed_over=mine.failed_over)
                )
                mine.failed_over = False
        return claimed, halted

    def note_rewound(self, records: Mapping[Partition, int]) -> None:
        """See `Sink`."""
        self.store.check()
        for partition, count in records.items():
            self.positions[partition].rewound += count

    def halted(self) -> set[Partition]:
        """See `Sink`."""
        self.store.check()
        return {partition for partition, one in self.positions.items() if one.halted}

    def epochs(self) -> Mapping[Partition, int]:
        """See `Sink`."""
        self.store.check()
        return {partition: -1 if one.failed_over else one.epoch for partition, one in self.positions.items()}

    def has_rival(self, claimed: Collection[Partition]) -> bool:
        """See `Sink`."""
        self.store.check()
        return any(
            checks.same_name(self._consumer.owner, self.positions[one].owner)
            for one in claimed
            if one in self.positions
        )

    def writer(self) -> MemoryWriter:
        """See `Sink`."""
        return MemoryWriter(self.store, self.positions)

    @contextmanager
    def beside(self) -> Iterator[SideConnection]:
        """See `Sink`."""
        self.store.check()
        self.problem = None
        yield self._side

    def reachable(self) -> bool:
        """See `Sink`."""
        self.problem = None if self.store.away is None else f"{self.title} is away: {self.store.away}"
        return self.problem is None

    def disconnect(self) -> None:
        """See `Sink`: there is nothing to give up."""


class MemoryTransaction(Transaction):
    """Copies of what the write changes; they become the store's with its end."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.rows: dict[str, dict[str, Any]] = {}
        self.effects: list[Any] = []

    def add(self, effect: Any) -> None:
        """An effect of any kind."""
        self.effects.append(effect)

    def write_events(self, rows: EventRows, verdict: Verdict | None) -> StoredRows | None:
        """See `Transaction`."""
        stored: dict[int, int] = {}
        refused: list[RefusedRow] = []
        for event in (event for frame in rows.frames for event in frame.iter_rows(named=True)):
            name = str(event["event_id"]).lower()
            if name in self._store.refused:
                if verdict is None:
                    raise SinkError(f"{name} is refused", "data")
                refused.append(RefusedRow(event["row"], "Refused", f"{name} is refused"))
            elif name in self._store.rows or name in self.rows:
                if verdict is None:
                    raise SinkError(f"{name} is stored", "conflict")
            else:
                self.rows[name] = event
                number = event["kafka_partition"]
                stored[number] = stored.get(number, 0) + 1
        return None if verdict is None else StoredRows(stored, refused)


class MemoryWriter(SinkWriter):
    """Writes to a store, one write at a time."""

    def __init__(self, store: MemoryStore, positions: dict[Partition, Position]) -> None:
        self._store = store
        self._positions = positions

    def write(
        self,
        advances: Sequence[Advance],
        outcomes: Mapping[Partition, RecordCounts],
        effects: Callable[[Transaction], Mapping[Partition, RecordCounts]],
    ) -> Mapping[Partition, Mapping[str, int]]:
        """See `SinkWriter`."""
        self._store.gate.wait()
        with self._store.lock:
            self._store.check()
            if self._store.faults:
                raise self._store.faults.popleft()
            gone = sum(not self._is_at(one) for one in advances)
            if gone:
                raise checks.fenced(len(advances), gone)
            transaction = MemoryTransaction(self._store)
            changes = effects(transaction)
            answered = not self._store.lost_answers
            if answered or self._store.lost_answers.popleft():
                self._commit(advances, outcomes, changes, transaction)
            if not answered:
                raise SinkError("the connection broke before the answer came", "retry")
            return {one.partition: _totals(self._positions[one.partition].outcomes) for one in advances}

    def happened(self, advances: Sequence[Advance]) -> bool:
        """See `SinkWriter`."""
        with self._store.lock:
            self._store.check()
            return checks.happened(advances, {key: (one.epoch, one.next) for key, one in self._positions.items()})

    def disconnect(self) -> None:
        """See `SinkWriter`: there is nothing to give up."""

    def _is_at(self, advance: Advance) -> bool:
        mine = self._positions.get(advance.partition)
        return mine is not None and (mine.topic_id, mine.epoch, mine.next) == (
            advance.topic_id,
            advance.epoch,
            advance.expected,
        )

    def _commit(
        self,
        advances: Sequence[Advance],
        outcomes: Mapping[Partition, RecordCounts],
        changes: Mapping[Partition, RecordCounts],
        transaction: MemoryTransaction,
    ) -> None:
        for one in advances:
            mine = self._positions[one.partition]
            mine.next = one.next
            for more in (outcomes.get(one.partition), changes.get(one.partition)):
                if more is not None:
                    mine.outcomes = _sum(mine.outcomes, more)
        self._store.rows |= transaction.rows
        self._store.effects += transaction.effects


def open_sink(_worker: Worker, consumer: Consumer) -> MemorySink:
    """A store of the worker's own, gone with it."""
    return MemorySink(MemoryStore(), consumer)


def _totals(outcomes: RecordCounts) -> dict[str, int]:
    # Nothing that was stored leaves it.
    return dict.fromkeys(TOTALS, 0) | _named(outcomes)


def _named(outcomes: RecordCounts) -> dict[str, int]:
    return {name: getattr(outcomes, name) for name in ("stored", "duplicate", "filtered", "dead")}


def _sum(one: RecordCounts, other: RecordCounts) -> RecordCounts:
    return replace(one, **{name: count + getattr(other, name) for name, count in _named(one).items()})
