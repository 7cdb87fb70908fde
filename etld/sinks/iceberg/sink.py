"""The lake as a sink: each write is one snapshot, whose summary carries the positions and the epochs of their owners.

A claim is a snapshot without files that raises the epochs. A commit is taken by the catalog only on top of the snapshot
that the writer has looked at: so whoever lost a partition cannot commit any more, and what a writer knows of the events
of others is complete.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeVar

from pyiceberg.exceptions import CommitFailedException, NoSuchTableError

from etld.sinks import checks
from etld.sinks.base import (
    Claimed,
    EventRows,
    SideConnection,
    Sink,
    SinkError,
)
from etld.sinks.iceberg import mirror, positions
from etld.sinks.iceberg.errors import as_sink_errors
from etld.sinks.iceberg.mirror import LakeState
from etld.sinks.iceberg.positions import LakePosition
from etld.sinks.iceberg.table import columns_of
from etld.sinks.iceberg.writer import CommitWatch, IcebergWriter
from etld.sinks.postgres.unwrap import connection_of
from etld.util.backoff import Backoff
from etld.util.patiently import TookTooLong, patiently

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    import polars as pl

    from etld.kafka.types import Partition
    from etld.sinks.base import Consumer, Halted, PartitionLog
    from etld.sinks.iceberg.known_ids import TableIds
    from etld.sinks.iceberg.mirror import Noted
    from etld.sinks.iceberg.positions import Book
    from etld.sinks.iceberg.rows import LakeRows
    from etld.sinks.iceberg.table import LakeTable
    from etld.sinks.postgres.view_columns import ViewColumn

log = logging.getLogger("etld.lake")
Answer = TypeVar("Answer")

_RECONNECT_EVERY = 2.0
_ANSWER_WITHIN = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


@dataclass(frozen=True, slots=True)
class Side:
    """The worker that a sink belongs to: its way to PostgreSQL, for work beside the batches.

    PostgreSQL is told of the positions of `event_type`, for those who ask it. `beat` is called before the loop's thread
    waits for an answer.
    """

    sink: Sink
    event_type: str
    beat: Callable[[], object]


class IcebergSink(Sink):
    """The lake. `known_ids` makes the memory of a writer."""

    name: ClassVar[str] = "lake"
    title: ClassVar[str] = "The lake"
    write_within: ClassVar[float | None] = 600.0

    def __init__(
        self,
        table: LakeTable,
        consumer: Consumer,
        known_ids: Callable[[], TableIds],
        side: Side | None = None,
        watch: CommitWatch | None = None,
    ) -> None:
        self._table = table
        self._consumer = consumer
        self._side = None if side is None else side.sink
        self._event_type = "" if side is None else side.event_type
        self._beat: Callable[[], object] = (lambda: None) if side is None else side.beat
        self._watch = watch or CommitWatch()
        self._known_ids = known_ids
        self._memory: TableIds | None = None
        self._columns: tuple[ViewColumn, ...] = ()
        self._not_before = 0.0
        self._is_open = False
        self._mine: set[Partition] = set()
        #: What PostgreSQL is to be told.
        self._news: LakeState | None = None

    def claim(self, logs: Sequence[PartitionLog]) -> tuple[list[Claimed], list[Halted]]:
        """See `Sink`: a snapshot that raises the epochs."""
        if not logs:
            return [], []
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            with as_sink_errors():
                lake = self._table
                table = self._ask(partial(lake.ensure, log.info))
                self._opened()
                book = positions.read(table, self._consumer)
                claimed, halted = self._claimed(book, logs, self._noted_positions())
                carried = positions.written(table, self._consumer, book)
                try:
                    self._ask(partial(lake.commit, table, (), carried))
                except CommitFailedException:
                    time.sleep(backoff.next())
                    continue
                self._news = LakeState.of(self._table.title, table, book)
            self._columns = columns_of(table)
            self._mine.update(log.partition for log in logs)
            return claimed, halted

    def _claimed(
        self, book: Book, logs: Sequence[PartitionLog], noted: Mapping[Partition, Noted]
    ) -> tuple[list[Claimed], list[Halted]]:
        """Note in the positions that they are ours; those of which a person has said so go on from there.

        PostgreSQL takes none of an earlier epoch: a table that went back to an older state has one.
        """
        claimed: list[Claimed] = []
        halted: list[Halted] = []
        in_memory = self._consumer.in_memory_broker
        for seen in logs:
            mine = book.get(seen.partition) or LakePosition(seen.topic_id, seen.low, seen.low)
            told = noted.get(seen.partition)
            order = told if told is not None and told.is_order(mine) else None
            if (mine.topic_id != seen.topic_id and in_memory) or (
                order is not None and order.topic_id != mine.topic_id
            ):
                mine = mine.begun_anew(seen)
            elif order is not None:
                # What Kafka has is read, also where PostgreSQL knows of a later state that the table has not got.
                low = min(order.next, seen.low)
                mine = mine.given_up(low) if low >= mine.next else mine.begun_anew(seen)
            mine = mine.claimed(self._consumer.owner, told.epoch if told is not None else 0)
            halt = checks.halt(seen, mine.topic_id, mine.next, in_memory_broker=in_memory)
            book[seen.partition] = mine = replace(mine, halted=halt.reason if halt else "")
            if halt is not None:
                halted.append(halt)
            else:
                claimed.append(Claimed(seen.partition, mine.topic_id, mine.next, mine.epoch, mine.totals))
        return claimed, halted

    def note_rewound(self, records: Mapping[Partition, int]) -> None:
        """See `Sink`: a catalog that was behind has older snapshots, whose positions are read on from."""

    def halted(self) -> set[Partition]:
        """See `Sink`."""
        still = {partition: one for partition, one in self._positions().items() if one.halted}
        noted = self._noted_positions() if still else {}
        return {one for one, mine in still.items() if one not in noted or not noted[one].is_order(mine)}

    def epochs(self) -> Mapping[Partition, int]:
        """See `Sink`."""
        return {partition: one.epoch for partition, one in self._positions().items()}

    def has_rival(self, claimed: Collection[Partition]) -> bool:
        """See `Sink`."""
        now = self._positions()
        return any(checks.same_name(self._consumer.owner, now[one].owner) for one in claimed if one in now)

    def writer(self) -> IcebergWriter:
        """See `Sink`."""
        if self._memory is None:
            self._memory = self._known_ids()
        return IcebergWriter(self._table.again(), self._consumer, self._memory, self._noted, self._watch)

    @contextmanager
    def beside(self) -> Iterator[SideConnection]:
        """See `Sink`: PostgreSQL."""
        if self._side is None:
            yield SideConnection()
            return
        with self._side.beside() as side:
            news = self._news
            if news is not None:
                mirror.write(connection_of(side), self._consumer, self._event_type, news, self._mine)
                if self._news is news:
                    self._news = None
            yield side

    def reachable(self) -> bool:
        """See `Sink`: the catalog, and PostgreSQL."""
        if not self._is_open:
            if time.monotonic() < self._not_before:
                return False
            try:
                with as_sink_errors():
                    self._ask(partial(self._table.ensure, log.info))
                    self._opened()
            except SinkError as error:
                self._not_before = time.monotonic() + _RECONNECT_EVERY
                self.problem = f"{self.title} is away: {error}"
                return False
        if self._side is not None and not self._side.reachable():
            self.problem = self._side.problem
            return False
        self.problem = None
        return True

    def disconnect(self) -> None:
        """See `Sink`."""
        self._is_open = False
        self._table.close()
        if self._side is not None:
            self._side.disconnect()

    def encode(self, frames: Sequence[pl.DataFrame]) -> EventRows:
        """See `Sink`: typed columns in Arrow's form, in the place of the frames' own."""
        from etld.sinks.iceberg import rows

        return _event_rows(rows.rows_of(frames, self._columns))

    def join(self, parts: Sequence[EventRows]) -> EventRows:
        """See `Sink`: their memory is shared."""
        from etld.sinks.iceberg import rows

        return _event_rows(rows.joined([one.payload for one in parts if one.payload is not None]))

    def leave_out(self, rows: EventRows, numbers: Collection[int]) -> EventRows:
        """See `Sink`."""
        left: LakeRows | None = None if rows.payload is None else rows.payload.without(numbers)
        return _event_rows(left if left is not None and len(left) else None)

    def _opened(self) -> None:
        self._is_open, self.problem = True, None

    def _noted(self, state: LakeState) -> None:
        self._news = state

    def _noted_positions(self) -> Mapping[Partition, Noted]:
        """The positions that PostgreSQL has."""
        if self._side is None:
            return {}
        with self._side.beside() as side:
            return mirror.noted(connection_of(side), self._consumer)

    def _positions(self) -> Book:
        with as_sink_errors():
            try:
                return positions.read(self._ask(self._table.load), self._consumer)
            except NoSuchTableError:
                return {}

    def _ask(self, call: Callable[[], Answer]) -> Answer:
        """What catalog and storage answer, while the loop's thread shows that it lives: they may take their time."""
        try:
            return patiently(call, self._beat, _ANSWER_WITHIN)
        except TookTooLong:
            self._table = self._table.again()
            raise SinkError(f"no answer within {_ANSWER_WITHIN:g} s", "retry", code="ETLD-L001") from None


def _event_rows(rows: LakeRows | None) -> EventRows:
    """As the loop passes them on; they have no frames any more."""
    return EventRows((), rows, 0 if rows is None else rows.size)
