"""Commits of one writer to a table of the lake: files that become a snapshot with the positions."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from pyiceberg.exceptions import CommitFailedException

from etld.sinks import checks
from etld.sinks.base import EventRows, Fenced, SinkWriter, StoredRows, Transaction
from etld.sinks.iceberg import files, forgetting, positions
from etld.sinks.iceberg.errors import as_sink_errors
from etld.sinks.iceberg.mirror import LakeState
from etld.sinks.iceberg.table import columns_of
from etld.util.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    from etld.kafka.types import Partition
    from etld.sinks.base import Advance, Consumer, RecordCounts, Verdict
    from etld.sinks.iceberg.known_ids import TableIds
    from etld.sinks.iceberg.rows import LakeRows
    from etld.sinks.iceberg.table import LakeTable

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class CommitWatch:
    """Who is told of commits; called in any thread."""

    def committed(self, state: LakeState) -> None:
        """A snapshot of ours is the table's newest."""

    def conflict(self) -> None:
        """Another writer's commit came before; all goes again."""


class IcebergTransaction(Transaction):
    """Files that become a snapshot with the positions, on top of one state of the table."""

    def __init__(self, table: Table, known_ids: TableIds) -> None:
        self._table = table
        self._known_ids = known_ids
        self.files: list[DataFile] = []
        self.written: list[LakeRows] = []

    def write_events(self, rows: EventRows, verdict: Verdict | None) -> StoredRows | None:
        """Add a file for each partition of the table; events that it has are left out at once."""
        if rows.payload is None:
            return None if verdict is None else StoredRows({})
        new: LakeRows = rows.payload
        forgetting.refuse_outdated(self._table.properties, new)
        if new.columns != columns_of(self._table):
            raise Fenced("the columns of the table are others now; the batch is read again")
        self._known_ids.follow(self._table, int(new.accepted.min()))
        gone = self._known_ids.repeated(new.ids, new.accepted)
        if gone is not None:
            new = new.where(~gone)
        if len(new):
            for file in files.write(self._table, new.table):
                self.files.append(file)
            self.written.append(new)
        return None if gone is None and verdict is None else StoredRows(new.counts() if len(new) else {})

    def discard(self) -> None:
        """Put the files away: no snapshot has them."""
        files.delete(self._table.io, [one.file_path for one in self.files])


class IcebergWriter(SinkWriter):
    """Commits snapshots, one at a time; `note` is told of the table after each."""

    def __init__(
        self,
        table: LakeTable,
        consumer: Consumer,
        known_ids: TableIds,
        note: Callable[[LakeState], None],
        watch: CommitWatch,
    ) -> None:
        self._table = table
        self._consumer = consumer
        self._known_ids = known_ids
        self._note = note
        self._watch = watch

    def write(
        self,
        advances: Sequence[Advance],
        outcomes: Mapping[Partition, RecordCounts],
        effects: Callable[[Transaction], Mapping[Partition, RecordCounts]],
    ) -> Mapping[Partition, Mapping[str, int]]:
        """See `SinkWriter`; where another's commit came before, all is looked at again on top of it."""
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            began = time.monotonic()
            with as_sink_errors():
                done = self._try(advances, outcomes, effects)
            if done is not None:
                state = replace(done, seconds=time.monotonic() - began)
                self._note(state)
                self._watch.committed(state)
                return {one.partition: state.book[one.partition].totals for one in advances}
            self._watch.conflict()
            time.sleep(backoff.next())

    def happened(self, advances: Sequence[Advance]) -> bool:
        """See `SinkWriter`: the newest snapshot knows."""
        with as_sink_errors():
            table = self._table.load()
            book = positions.read(table, self._consumer)
            found = checks.happened(advances, {key: (one.epoch, one.next) for key, one in book.items()})
            if found:
                self._note(LakeState.of(self._table.title, table, book))
        return found

    def disconnect(self) -> None:
        """See `SinkWriter`."""
        self._table.close()

    def _try(
        self,
        advances: Sequence[Advance],
        outcomes: Mapping[Partition, RecordCounts],
        effects: Callable[[Transaction], Mapping[Partition, RecordCounts]],
    ) -> LakeState | None:
        """The table after the commit; None when another's came between."""
        table = self._table.load()
        book = positions.read(table, self._consumer)
        positions.fence(book, advances)
        before = table.current_snapshot()
        transaction = IcebergTransaction(table, self._known_ids)
        try:
            changes = effects(transaction)
            after = positions.advanced(book, advances, outcomes, changes)
        except BaseException:
            transaction.discard()
            raise
        try:
            self._table.commit(table, transaction.files, positions.written(table, self._consumer, after))
        except CommitFailedException:
            transaction.discard()
            return None
        now = table.current_snapshot()
        assert before is not None
        assert now is not None
        parts = [(rows.ids, rows.accepted) for rows in transaction.written]
        self._known_ids.wrote(before.snapshot_id, now.snapshot_id, parts)
        newest = max((int(accepted.max()) for _, accepted in parts), default=None)
        return replace(LakeState.of(self._table.title, table, after), newest=newest)
