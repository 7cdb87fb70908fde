"""From records to rows of the lake: decode, transform, commit with many others; what is broken is left out.

The dead letters are the processor's to write: both come to the same decision about a record.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from etld.erasure.arrival import Coordinates, Erasures
from etld.erasure.records import place
from etld.frames import Transform, encoded, load_transform
from etld.isolation.program import Program, memory_for
from etld.lake.keeper import LakeKeeper
from etld.postgres.node_lease import NodeLease
from etld.schemas.registry import open_schemas
from etld.schemas.registry.asked import schema_texts
from etld.schemas.registry.cache import SchemaCache
from etld.sinks.base import EventRows, RecordCounts
from etld.sinks.postgres.columns import ACCEPTED_AT, OFFSET, PARTITION
from etld.sinks.postgres.unwrap import connection_of
from etld.stream import Batch, BatchHandler, Gathers, Work
from etld.stream.batch import spent
from etld.stream.reading import outcomes, read_events

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from etld.kafka.types import Partition
    from etld.sinks.base import SideConnection, Transaction, Verdict
    from etld.worker import Worker

log = logging.getLogger("etld.lake")

# Seconds between two looks at who was forgotten.
_ERASURES_EVERY = 5.0


@dataclass
class LakeWork(Work):
    """A batch as rows of the lake; `duplicates` are those that the table had."""

    rows: EventRows = field(default_factory=lambda: EventRows([]))
    duplicates: int = 0


class LakeHandler(BatchHandler[LakeWork]):
    """Puts the records of one event type into its table, each once."""

    sink = "lake"

    def __init__(self, worker: Worker) -> None:
        assert worker.event_type is not None
        config = worker.config
        self._worker = worker
        self._event_type = worker.event_type
        kind = config.event_types[worker.event_type]
        self.group = f"lake-{worker.event_type}"
        self.topics = [kind.topic]
        self.gathers = Gathers(config.lake.commit_every, config.lake.commit_bytes)
        self._transform: Transform | None = load_transform(kind.transform)
        self._schemas: SchemaCache | None = None
        self._lease = NodeLease(worker)
        self._erasures = Erasures(config.erasure_key_path)
        self._next_erasures = 0.0
        self._keeper = LakeKeeper(worker)

    def start(self, side: SideConnection) -> None:
        """Find the registry, which may be in the database, and who was forgotten."""
        self._erasures.load(connection_of(side))
        if self._schemas is None:
            self._schemas = open_schemas(self._worker.config, self._worker.addresses, self._worker.beat)
        self._keeper.start()

    def close(self) -> None:
        """End what goes on beside the batches."""
        self._keeper.close()

    def prepare(self, batch: Batch) -> LakeWork:
        """Decode the whole batch natively, transform it, and make it rows of the table."""
        assert self._schemas is not None
        read = read_events(batch, self.killers, self._schemas, self._transform, self._event_type)
        erasures = self._erasures.step
        forgotten: list[int] = []
        frames = [self._kept(batch, frame, forgotten) for frame in read.frames]
        rows, unwritable = encoded(self.encode, frames)
        if rows.payload is not None:
            rows = replace(rows, payload=replace(rows.payload, erasures=erasures))
        # What a subject that was forgotten has sent is never stored: to the account it is left out.
        left_out = [*read.filtered, *forgotten]
        return LakeWork(batch, outcomes(batch, [*read.bad, *unwritable], left_out), rows)

    def program(self) -> Program:
        """Decode, transform, make rows."""
        config = self._worker.config
        answer = schema_texts(config, self._worker.addresses)
        return Program("etld.lake.isolated:opened", (config, self._event_type), answer, memory_for(config))

    def gathered(self, works: Sequence[LakeWork]) -> LakeWork:
        """See `BatchHandler`."""
        sums: dict[Partition, RecordCounts] = {}
        for work in works:
            for partition, counts in work.outcomes.items():
                sums[partition] = counts + sums.get(partition, RecordCounts())
        return LakeWork(spent([work.batch for work in works]), sums, self.join([work.rows for work in works]))

    def without(self, work: LakeWork, partitions: Collection[Partition]) -> LakeWork | None:
        """See `BatchHandler`."""
        batch = work.batch.without(partitions)
        if batch is None:
            return None
        kept = {partition: counts for partition, counts in work.outcomes.items() if partition not in partitions}
        return LakeWork(batch, kept, self.leave_out(work.rows, [one.number for one in partitions]))

    def size(self, work: LakeWork) -> int:
        """See `BatchHandler`."""
        return work.rows.size

    def write(
        self, transaction: Transaction, work: LakeWork, verdict: Verdict | None
    ) -> Mapping[Partition, RecordCounts]:
        """The rows that the table does not have."""
        work.duplicates = 0
        found = transaction.write_events(work.rows, verdict)
        if found is None:
            return {}
        changes = {}
        for share in work.batch:
            expected = work.outcomes[share.partition].stored
            twice = expected - found.stored.get(share.partition.number, 0)
            work.duplicates += twice
            changes[share.partition] = RecordCounts(stored=-twice, duplicate=twice)
        return changes

    def committed(self, work: LakeWork) -> None:
        """Say so."""
        spans = {str(share.partition.number): [share.expected, share.next_offset - 1] for share in work.batch}
        stored = sum(counts.stored for counts in work.outcomes.values()) - work.duplicates
        more = {"topic": self.topics[0], "offsets": spans, "duplicate": work.duplicates}
        log.info("Committed %d events to the lake", stored, extra=more)

    def daemon(self) -> str:
        """Its number in the database."""
        return self._lease.daemon

    def daemons(self, side: SideConnection) -> Collection[str] | None:
        """Those that beat in the database."""
        return self._lease.known(connection_of(side), self.cluster_id)

    def left(self, side: SideConnection) -> None:
        """The others need not wait for its beats."""
        self._lease.leave(connection_of(side), self.cluster_id)

    def idle(self, side: SideConnection) -> None:
        """See who was forgotten since."""
        self._lease.beat(connection_of(side), self.cluster_id)
        if time.monotonic() >= self._next_erasures:
            self._next_erasures = time.monotonic() + _ERASURES_EVERY
            self._erasures.load(connection_of(side))

    def _kept(self, batch: Batch, frame: pl.DataFrame, forgotten: list[int]) -> pl.DataFrame:
        """A frame without the events of subjects that were forgotten, whose rows are noted."""
        accepted = frame[ACCEPTED_AT].dt.epoch("ms")
        oldest: Any = accepted.min()
        if oldest is None or not self._erasures.may_take(oldest):
            return frame
        places = {share.partition.number: place(share.topic_id, share.partition.number) for share in batch}
        came = Coordinates([places[one] for one in frame[PARTITION]], frame[OFFSET].to_list(), accepted.to_list())
        out = self._erasures.rows(frame, came)
        forgotten += frame["row"].gather(out).to_list()
        return frame.filter(~pl.int_range(pl.len()).is_in(out)) if out else frame
