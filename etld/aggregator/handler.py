"""From records to sums: decode, leave out what was counted before, add up, all in the positions' transaction."""

from __future__ import annotations

import datetime as dt
import logging
import time
from typing import TYPE_CHECKING

import polars as pl

from etld.aggregator.batch_totals import totals
from etld.aggregator.chart_drawer import ChartDrawer
from etld.aggregator.cluster_duties import ClusterDuties
from etld.aggregator.distinct import BatchTotals, counted_before, distinct, is_in
from etld.aggregator.storage_keeper import StorageKeeper
from etld.aggregator.summary_tables import SummaryTables
from etld.erasure.arrival import Coordinates, Erasures
from etld.erasure.records import place
from etld.frames import ACCEPTED_AT, accepted, load_transform, ready
from etld.isolation.program import Program, memory_for
from etld.postgres.lease import LeaseLost
from etld.postgres.node_lease import NodeLease
from etld.schemas.registry import open_schemas
from etld.schemas.registry.asked import schema_texts
from etld.schemas.registry.cache import SchemaCache
from etld.serdes import formats
from etld.sinks.base import RecordCounts
from etld.sinks.postgres.copy_binary import to_binary
from etld.sinks.postgres.unwrap import connection_of
from etld.stream import Batch, BatchHandler
from etld.summaries import counted_events, definition, tables
from etld.summaries.backfill import CountedStream

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from etld.kafka.types import Partition
    from etld.sinks.base import SideConnection, Transaction, Verdict
    from etld.stream import PartitionBatch
    from etld.summaries.model import Summary
    from etld.worker import Worker

log = logging.getLogger("etld.aggregator")

# After a duplicate was met, so many batches look for ids of the same day before they write.
_CAREFUL_BATCHES = 20
_PARTITIONS_EVERY = 600.0
# Seconds that nobody is behind, as long as no batch tells better.
_UNTOLD = 400 * 86_400.0


class AggregatorHandler(BatchHandler[BatchTotals]):
    """Keeps the summaries of every event type; each event id counts once."""

    group = "aggregator"

    def __init__(self, worker: Worker) -> None:
        config = worker.config
        self._worker = worker
        self._types = {kind.topic: name for name, kind in config.event_types.items()}
        self.topics = list(self._types)
        self._summaries: list[Summary] = definition.read(config.summaries, config.event_types)
        self._transforms = {topic: load_transform(config.event_types[t].transform) for topic, t in self._types.items()}
        self._schemas: SchemaCache | None = None
        # What the table takes as a new event is new here too; ids are forgotten earlier, perhaps.
        self._one_event = config.storage.dedup_window
        self._window = min(config.aggregator.dedup_window, self._one_event)
        self._days: set[dt.date] = set()
        self._look_after_days = 0.0
        self._careful = 0
        #: How old records are that were read since the last look at the days: so much longer ids are kept.
        self._behind: float | None = None
        self._duties = ClusterDuties(worker)
        self._tables = SummaryTables(worker, self._summaries, self._duties.leases)
        self._drawer = ChartDrawer(worker, self._summaries, self._duties.leases)
        self._storage = StorageKeeper(worker, self._summaries, self._duties.leases)
        self._lease = NodeLease(worker)
        self._erasures = Erasures(config.erasure_key_path)

    def start(self, side: SideConnection) -> None:
        """Make tables and partitions before the first record is read."""
        self._duties.keep(side, self.cluster_id)
        self._erasures.load(connection_of(side))
        if self._schemas is None:
            self._schemas = open_schemas(self._worker.config, self._worker.addresses, self._worker.beat)
        self._keep_days(side)
        counted = CountedStream(self.cluster_id, f"etld-{self.group}", self._types)
        self._tables.start(side, counted, again=self._duties.have_failed_over(side))
        self._storage.start(counted)

    def prepare(self, batch: Batch) -> BatchTotals:
        """Decode and transform as the processor does, one topic at a time, and add up."""
        assert self._schemas is not None
        work = BatchTotals(batch)
        numbered: list[tuple[Partition, pl.DataFrame]] = []
        for share in batch:
            topic, values = share.partition.topic, self.killers.values(share)
            headers = share.records.header(formats.SCHEMA_HEADER)
            times = accepted(pl.Series("", share.records.all_milliseconds(), pl.Int64))
            decoded = formats.decode_batch(values, self._schemas, headers=headers)
            stored = left_out = 0
            for piece in decoded.frames:
                frame, filtered, _ = ready(piece, self._transforms[topic], self._types[topic])
                stored += frame.height
                left_out += filtered.height
                if frame.height:
                    numbered.append((share.partition, frame.with_columns(times.gather(frame["row"]))))
            dead = len(values) - stored - left_out
            work.outcomes[share.partition] = RecordCounts(stored=stored, filtered=left_out, dead=dead)
        work.numbered, work.plain = numbered, dict(work.outcomes)
        self._sum_up(work, numbered)
        return work

    def program(self) -> Program:
        """Decode, transform, add up."""
        config = self._worker.config
        answer = schema_texts(config, self._worker.addresses)
        return Program("etld.aggregator.isolated:opened", config, answer, memory_for(config))

    def write(
        self, transaction: Transaction, work: BatchTotals, verdict: Verdict | None
    ) -> Mapping[Partition, RecordCounts]:
        """Note the ids and add the sums; ids that were counted before are left out of both."""
        to_add = self._tables.verify(transaction)
        day = counted_events.today()
        if day not in self._days:
            self._days = counted_events.keep_within(transaction, day, self._kept())
        if verdict is not None:
            self._careful = _CAREFUL_BATCHES
        whole, left = work, self._without_forgotten(transaction, work)
        changes: dict[Partition, RecordCounts] = {}
        if left is not None:
            changes, work = _differences(whole.outcomes, left.outcomes), left
        again = self._note(transaction, work, day) if len(work.ids) else set()
        whole.duplicates = len(again)
        sums = work.sums
        if again:
            changes = _added(changes, counted_before(work, again))
            frames = [frame.filter(~is_in(again)) for frame in work.frames]
            sums = [totals(frames, summary) for summary in self._summaries]
        for summary, columns in zip(self._summaries, sums, strict=True):
            if columns is not None and summary.name in to_add:
                tables.add(transaction, summary, columns)
        return changes

    def _note(self, transaction: Transaction, work: BatchTotals, day: dt.date) -> set[str]:
        """Note the events of a batch as counted; the ids of those that were before."""
        ids, rows = work.ids, work.rows
        among = sorted(one for one in self._days if one != day or self._careful)
        found = counted_events.known(transaction, ids, among, day, self._one_event)
        if found.renewed:
            counted_events.renew(transaction, day, ids.filter(is_in(found.renewed)))
        if found.again or found.renewed:
            ids = ids.filter(~is_in(found.again | found.renewed))
            rows = to_binary(ids, counted_events.COLUMNS, "event_id")
        if len(ids):
            counted_events.copy(transaction, day, rows)
        return found.again

    def _sum_up(self, work: BatchTotals, numbered: Sequence[tuple[Partition, pl.DataFrame]]) -> None:
        if numbered:
            distinct(work, numbered, self._one_event)
        work.rows = to_binary(work.ids, counted_events.COLUMNS, "event_id")
        work.sums = [totals(work.frames, summary) for summary in self._summaries]

    def _without_forgotten(self, transaction: Transaction, work: BatchTotals) -> BatchTotals | None:
        """The batch less the events of subjects that were forgotten; None when it has none of them.

        The same rule as the processor's, so that both have the same events: what is left out counts as stored.
        """
        if not self._erasures.concern(transaction, lambda: _oldest(work.batch)):
            return None
        shares = {share.partition: share for share in work.batch}
        kept, outcomes, some = [], dict(work.plain), False
        for key, frame in work.numbered:
            out = self._erasures.rows(frame, _coordinates(shares[key], frame["row"].to_list()))
            some |= bool(out)
            kept.append((key, frame.filter(~pl.int_range(pl.len()).is_in(out)) if out else frame))
        if not some:
            return None
        left = BatchTotals(work.batch, outcomes)
        self._sum_up(left, [(key, frame) for key, frame in kept if frame.height])
        return left

    def limit(self, work: BatchTotals) -> int | None:
        """An id that comes with two events is counted in two batches."""
        return work.cut

    def committed(self, work: BatchTotals) -> None:
        """Count towards the next drawing."""
        self._careful = _CAREFUL_BATCHES if work.duplicates else max(0, self._careful - 1)
        new = len(work.ids) - work.duplicates
        oldest = work.ids[ACCEPTED_AT].min()
        if isinstance(oldest, dt.datetime):
            self._behind = max(self._behind or 0.0, time.time() - oldest.timestamp())
        if work.batch.count:
            log.info("Counted %d events", new, extra={"duplicate": work.batch.count - new})

    def daemon(self) -> str:
        """Its number in the database."""
        return self._lease.daemon

    def daemons(self, side: SideConnection) -> Collection[str]:
        """Those that beat in the database."""
        return self._lease.known(connection_of(side), self.cluster_id)

    def left(self, side: SideConnection) -> None:
        """Note it in the daemon's row."""
        self._lease.leave(connection_of(side), self.cluster_id)

    def idle(self, side: SideConnection) -> None:
        """Partitions for tomorrow, tables that were held back, charts."""
        self._lease.beat(connection_of(side), self.cluster_id)
        self._duties.keep(side, self.cluster_id)
        if time.monotonic() >= self._look_after_days:
            self._keep_days(side)
        self._tables.idle(side)
        if self._tables.has_filled():
            self._drawer.counted(1)
        try:
            self._drawer.tick(side, self._tables.ready())
        except LeaseLost as error:
            log.warning("%s", error)

    def close(self) -> None:
        """End what runs beside, and let others have the leases."""
        self._storage.close()
        self._tables.close()
        self._drawer.close()
        self._duties.close()

    def _kept(self) -> float:
        """For how many seconds an id is kept after it was counted."""
        return self._window + (_UNTOLD if self._behind is None else self._behind)

    def _keep_days(self, side: SideConnection) -> None:
        self._days = counted_events.keep(side, counted_events.today(), self._kept())
        self._behind = None
        self._look_after_days = time.monotonic() + _PARTITIONS_EVERY


def _oldest(batch: Batch) -> int:
    return min((time for share in batch for time in share.records.all_milliseconds() if time > 0), default=0)


def _coordinates(share: PartitionBatch, rows: Sequence[int]) -> Coordinates:
    times, offsets = share.records.all_milliseconds(), share.records.offsets
    now = int(time.time() * 1000)
    # What has no time came now, as the processor sees it.
    accepted = [times[row] if times[row] > 0 else now for row in rows]
    whence = place(share.topic_id, share.partition.number)
    return Coordinates([whence] * len(rows), [offsets[row] for row in rows], accepted)


def _differences(
    old: Mapping[Partition, RecordCounts], new: Mapping[Partition, RecordCounts]
) -> dict[Partition, RecordCounts]:
    return {
        key: RecordCounts(counts.stored - old[key].stored, counts.duplicate - old[key].duplicate)
        for key, counts in new.items()
        if counts != old[key]
    }


def _added(
    one: Mapping[Partition, RecordCounts], other: Mapping[Partition, RecordCounts]
) -> dict[Partition, RecordCounts]:
    nothing = RecordCounts()
    pairs = {key: (one.get(key, nothing), other.get(key, nothing)) for key in {**one, **other}}
    return {key: RecordCounts(a.stored + b.stored, a.duplicate + b.duplicate) for key, (a, b) in pairs.items()}
