"""From records to rows: decode, transform, store; what is broken goes to the outbox."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from etld.deadletters import outbox
from etld.deadletters.from_record import Source, letter, live, tell
from etld.deadletters.relay import Relay
from etld.erasure.arrival import Erasures
from etld.frames import Transform, encoded, load_transform
from etld.isolation.program import Program, memory_for
from etld.kafka.settings import client_settings
from etld.postgres.node_lease import NodeLease
from etld.processor.circuit_breaker import CircuitBreaker
from etld.processor.filter_thread import FilterThread
from etld.processor.forgotten import Forgotten
from etld.processor.swallowed import Swallowed
from etld.schemas.registry import open_schemas
from etld.schemas.registry.asked import schema_texts
from etld.schemas.registry.cache import SchemaCache
from etld.serdes.base import BadRecord
from etld.sinks.base import EventRows, RecordCounts
from etld.sinks.postgres.partitions import making
from etld.sinks.postgres.unwrap import connection_of
from etld.stream import Batch, BatchHandler, Work
from etld.stream.reading import by_partition, outcomes, read_events

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from etld.kafka.types import Partition
    from etld.sinks.base import RefusedRow, SideConnection, StoredRows, Transaction, Verdict
    from etld.worker import Worker

log = logging.getLogger("etld.processor")

#: Of one partition's share of a batch, for the latency.
_SAMPLES = 16
#: Where no aggregator keeps them, or a batch waits for one.
_PARTITIONS_EVERY = 60.0


@dataclass
class Rows(Work):
    """A batch as rows: the good ones, ready for the sink, and what is known to be bad."""

    rows: EventRows = field(default_factory=lambda: EventRows([]))
    bad: list[BadRecord] = field(default_factory=list)
    letters: list[outbox.Letter] = field(default_factory=list)
    #: Of the transaction tried last: `letters`, and those of rows that the sink refused.
    written: list[outbox.Letter] = field(default_factory=list)
    duplicates: int = 0
    refused: int = 0
    #: Events of subjects that were forgotten, by number of the partition: stored, and gone.
    forgotten: Counter[int] = field(default_factory=Counter)
    #: Those of the refused that the sink took without an error.
    swallowed: list[RefusedRow] = field(default_factory=list)


class ProcessorHandler(BatchHandler[Rows]):
    """Puts the records of one event type into processed_events, each once."""

    reports_totals = True

    def __init__(self, worker: Worker) -> None:
        assert worker.event_type is not None
        config = worker.config
        self._worker = worker
        self._event_type = worker.event_type
        kind = config.event_types[worker.event_type]
        self.group = f"processor-{worker.event_type}"
        self.topics = [kind.topic]
        settings = client_settings(config, worker.addresses)
        self._relay = Relay(settings, config.kafka.dead_letter_topic, worker.beat)
        self._transform: Transform | None = load_transform(kind.transform)
        self._schemas: SchemaCache | None = None
        limits = config.breaker
        self._breaker = CircuitBreaker(limits.ratio, limits.window, limits.retry_after)
        self._swallowed = Swallowed()
        self._resumes = worker.resumes
        self._lease = NodeLease(worker)
        self._look_after_partitions = time.monotonic() + _PARTITIONS_EVERY
        self._filters = FilterThread(worker)
        self._forgotten = Forgotten(worker.event_type, Erasures(config.erasure_key_path))

    def start(self, side: SideConnection) -> None:
        """Find the registry, which may be in the database, and who was forgotten."""
        self.open(side)
        self._filters.start()

    def open(self, side: SideConnection) -> None:
        """What `prepare` needs."""
        self._forgotten.load(side)
        if self._schemas is None:
            self._schemas = open_schemas(self._worker.config, self._worker.addresses, self._worker.beat)

    def close(self) -> None:
        """End what goes on beside the batches."""
        self._filters.close()

    def prepare(self, batch: Batch) -> Rows:
        """Decode the whole batch natively, transform it, and make it ready for the sink."""
        assert self._schemas is not None
        read = read_events(batch, self.killers, self._schemas, self._transform, self._event_type)
        rows, unwritable = encoded(self.encode, read.frames)
        bad = sorted([*read.bad, *unwritable], key=lambda one: one.row)
        work = Rows(batch, outcomes(batch, bad, read.filtered), rows, bad)
        work.letters = [self._letter(batch, one, None) for one in bad]
        return work

    def program(self) -> Program:
        """Decode, transform, make ready."""
        config = self._worker.config
        answer = schema_texts(config, self._worker.addresses)
        return Program("etld.processor.isolated:opened", (config, self._event_type), answer, memory_for(config))

    def write(self, transaction: Transaction, work: Rows, verdict: Verdict | None) -> Mapping[Partition, RecordCounts]:
        """Rows and dead letters; those of rows that the sink refuses among them."""
        work.duplicates = work.refused = 0
        rows = self._forgotten.left_out(transaction, work, self.encode)
        found = transaction.write_events(rows, verdict)
        work.swallowed = [] if found is None else [one for one in found.refused if one.silently]
        work.written = work.letters + self.refused(work, () if found is None else found.refused)
        if work.written:
            outbox.add(transaction, work.written)
        return {} if found is None else changes(work, found)

    def refused(self, work: Rows, rows: Iterable[RefusedRow]) -> list[outbox.Letter]:
        """The dead letters of rows that the sink refuses."""
        return [
            self._letter(work.batch, BadRecord(one.row, "TASK_PUT", one.error_class, one.message), one.code)
            for one in rows
        ]

    def committed(self, work: Rows) -> None:
        """Say so, and let the breaker know."""
        dead = len(work.bad) + work.refused
        stored = work.rows.height - work.duplicates - work.refused - work.forgotten.total()
        topic = self.topics[0]
        spans = {str(share.partition.number): [share.expected, share.next_offset - 1] for share in work.batch}
        log.info(
            "Processed and stored %d events",
            stored,
            extra={"topic": topic, "offsets": spans, "duplicate": work.duplicates, "dead": dead},
        )
        tell(work.written)
        self._latency(work)
        if self._breaker.record(*live([share.records for share in work.batch], work.written), time.monotonic()):
            text = (
                f"{topic}: {self._breaker.share:.0%} of the last records are dead, so reading stands still"
                " (breaker.ratio). Look at `etld dlq stats`, mend the cause, then `etld resume processor`."
            )
            log.error("%s", text, extra={"topic": topic})
            self._worker.fault("breaker", text)
        elif not self._breaker.blocks(time.monotonic()):
            self._worker.fault("breaker", None)
        if work.swallowed:
            self._swallowed.saw(len(work.swallowed), work.swallowed[0].message, time.monotonic())

    def blocked_by(self) -> str | None:
        """The breaker; `etld resume` closes it."""
        if self._resumes != self._worker.resumes:
            self._resumes = self._worker.resumes
            self._breaker.reset()
            self._worker.fault("breaker", None)
            self._swallowed.reset()
        return "the breaker is open" if self._breaker.blocks(time.monotonic()) else None

    def limit(self, work: Rows) -> int | None:
        """Keep a batch of mostly dead records from becoming as many letters at once."""
        return self._breaker.limit(work.batch.count, len(work.bad))

    def daemon(self) -> str:
        """Its number in the database."""
        return self._lease.daemon

    def daemons(self, side: SideConnection) -> Collection[str] | None:
        """Those that beat in the database."""
        return self._lease.known(connection_of(side), self.cluster_id)

    def left(self, side: SideConnection) -> None:
        """Note it in the daemon's row."""
        self._lease.leave(connection_of(side), self.cluster_id)

    def idle(self, side: SideConnection) -> None:
        """Relay the outbox."""
        self._lease.beat(connection_of(side), self.cluster_id)
        if time.monotonic() >= self._look_after_partitions:
            self._look_after_partitions = time.monotonic() + _PARTITIONS_EVERY
            making.make_ahead(self._worker)
        while self._relay.run(side) and not self._worker.stopping:
            self._worker.beat()
        self._worker.fault("relay", self._relay.problem)
        self._worker.fault("triggers", self._swallowed.problem(self.topics[0], time.monotonic()))

    def _letter(self, batch: Batch, bad: BadRecord, state: str | None) -> outbox.Letter:
        share, index = batch.locate(bad.row)
        source = Source(self.cluster_id, share.topic_id, self._event_type)
        return letter(source, share.records.record(index), bad, state)

    def _latency(self, work: Rows) -> None:
        """From the record's own time (set when ingest accepted the event) to the commit.

        What is long is sampled evenly, each sample standing for as many records: every event weighs the same.
        """
        now = time.time()
        for share in work.batch:
            count = share.count
            edges = [at * count // _SAMPLES for at in range(_SAMPLES + 1)] if count > _SAMPLES else range(count + 1)
            for begin, end in pairwise(edges):
                accepted = share.records.milliseconds((begin + end) // 2) / 1000
                self._worker.observe("end_to_end_seconds", max(0.0, now - accepted), end - begin)


def changes(work: Rows, found: StoredRows) -> dict[Partition, RecordCounts]:
    """What the sink found makes of the expected outcomes."""
    dead = by_partition(work.batch, (one.row for one in found.refused))
    found_out = {}
    for share in work.batch:
        expected = work.outcomes[share.partition].stored
        new = found.stored.get(share.partition.number, 0) + work.forgotten[share.partition.number]
        died = dead[share.partition]
        twice = expected - new - died
        work.duplicates += twice
        work.refused += died
        found_out[share.partition] = RecordCounts(stored=new - expected, duplicate=twice, dead=died)
    return found_out
