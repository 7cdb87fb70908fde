"""From records to rows: decode, transform, COPY; what is broken goes to the outbox."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl

from etld.deadletters import letter_headers, outbox
from etld.deadletters.from_record import letter, live, tell
from etld.deadletters.relay import Relay
from etld.frames import Transform, load_transform, ready
from etld.kafka.settings import client_settings
from etld.postgres.errors import DatabaseError, classify, sqlstate
from etld.processor.breaker import Breaker
from etld.schemas.registry import open_registry
from etld.schemas.registry.cache import SchemaCache
from etld.serdes import formats
from etld.serdes.base import BadRecord
from etld.sinks.postgres import event_rows
from etld.sinks.postgres.copy_binary import to_binary
from etld.stream import Batch, Handler, Tally, Work
from etld.stream.handler import PIECE, TooManyRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.postgres.connections import Connection, Cursor
    from etld.postgres.errors import Verdict
    from etld.stream.batch import Key
    from etld.worker import Worker

log = logging.getLogger("etld.processor")

_FEW = 8
#: Of one partition's part of a batch, for the latency.
_SAMPLES = 16
_PARTITION, _OFFSET = "kafka_partition", "kafka_offset"


@dataclass
class Rows(Work):
    """A batch as rows: the frames of the good ones, their bytes for COPY, and what is known to be bad."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    rows: bytes = b""
    bad: list[BadRecord] = field(default_factory=list)
    letters: list[outbox.Letter] = field(default_factory=list)
    #: Of the transaction tried last: `letters`, and those of rows that PostgreSQL refused.
    written: list[outbox.Letter] = field(default_factory=list)
    duplicates: int = 0
    refused: int = 0


class ProcessorHandler(Handler[Rows]):
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
        self._relay = Relay(settings, letter_headers.DEAD_LETTER_TOPIC, worker.beat)
        self._transform: Transform | None = load_transform(kind.transform)
        self._schemas: SchemaCache | None = None
        limits = config.breaker
        self._breaker = Breaker(limits.ratio, limits.window, limits.retry_after)
        self._resumes = worker.resumes

    def start(self, conn: Connection) -> None:
        """Resolve what needs the database."""
        if self._schemas is None:
            self._schemas = SchemaCache(open_registry(self._worker.config, self._worker.addresses))

    def prepare(self, batch: Batch) -> Rows:
        """Decode the whole batch natively, transform it, and make the bytes for COPY."""
        assert self._schemas is not None
        decoded = formats.decode_batch(batch.values, self._schemas)
        frames: list[pl.DataFrame] = []
        filtered: list[int] = []
        more: list[BadRecord] = []
        for part in decoded.frames:
            frame, out, wrong = ready(part, self._transform, self._event_type)
            frames.append(_with_coordinates(frame, batch))
            filtered += out["row"].to_list()
            more += wrong
        bad = [*decoded.bad, *more]
        rows = to_binary(frames, event_rows.COLUMNS, "event_id") if any(frame.height for frame in frames) else b""
        work = Rows(batch, frames=frames, rows=rows, bad=sorted(bad, key=lambda b: b.row))
        work.letters = [self._letter(work.batch, one, None) for one in work.bad]
        work.tallies = _tallies(batch, work.bad, filtered)
        return work

    def write(self, cur: Cursor, work: Rows, verdict: Verdict | None) -> Mapping[Key, Tally]:
        """Rows and dead letters; when a row is stored already or refused, find which."""
        work.duplicates = work.refused = 0
        work.written = work.letters
        changes: dict[Key, Tally] = {}
        if verdict is None:
            if work.rows:
                event_rows.copy(cur, work.rows)
            if work.letters:
                outbox.add(cur, work.letters)
            return changes
        refused: list[tuple[BadRecord, str | None]] = []
        event_rows.stage(cur)
        stored: dict[int, int] = {}
        for frame in work.frames:
            _add(stored, self._store(cur, frame, refused))
        work.written = work.letters + [self._letter(work.batch, bad, state) for bad, state in refused]
        if work.written:
            outbox.add(cur, work.written)
        dead: dict[int, int] = {}
        for bad, _state in refused:
            number = work.batch.locate(bad.row)[0].partition
            dead[number] = dead.get(number, 0) + 1
        for part in work.batch:
            expected = work.tallies[part.key].stored
            new = stored.get(part.partition, 0)
            died = dead.get(part.partition, 0)
            twice = expected - new - died
            work.duplicates += twice
            work.refused += died
            changes[part.key] = Tally(stored=new - expected, duplicate=twice, dead=died)
        return changes

    def committed(self, work: Rows) -> None:
        """Say so, and let the breaker know."""
        dead = len(work.bad) + work.refused
        stored = sum(frame.height for frame in work.frames) - work.duplicates - work.refused
        topic = self.topics[0]
        spans = {str(part.partition): [part.expected, part.next_offset - 1] for part in work.batch}
        log.info(
            "Processed and stored %d events",
            stored,
            extra={"topic": topic, "offsets": spans, "duplicate": work.duplicates, "dead": dead},
        )
        tell(work.written)
        self._latency(work)
        if self._breaker.record(*live(work.batch, work.written), time.monotonic()):
            text = (
                f"{topic}: {self._breaker.share:.0%} of the last records are dead, so reading stands still"
                " (breaker.ratio). Look at `etld dlq stats`, mend the cause, then `etld resume processor`."
            )
            log.error("%s", text, extra={"topic": topic})
            self._worker.fault("breaker", text)
        elif not self._breaker.blocks(time.monotonic()):
            self._worker.fault("breaker", None)

    def gate(self) -> str | None:
        """The breaker; `etld resume` closes it."""
        if self._resumes != self._worker.resumes:
            self._resumes = self._worker.resumes
            self._breaker.reset()
            self._worker.fault("breaker", None)
        return "the breaker is open" if self._breaker.blocks(time.monotonic()) else None

    def limit(self, work: Rows) -> int | None:
        """Keep a batch of mostly dead records from becoming as many letters at once."""
        return self._breaker.limit(work.batch.count, len(work.bad))

    def idle(self, conn: Connection) -> None:
        """Relay the outbox."""
        while self._relay.run(conn) and not self._worker.stopping:
            self._worker.beat()
        self._worker.fault("relay", self._relay.problem)

    def _store(self, cur: Cursor, frame: pl.DataFrame, refused: list[tuple[BadRecord, str | None]]) -> dict[int, int]:
        """Merge a frame row-exactly: what PostgreSQL refuses is bisected down to the record."""
        if not frame.height:
            return {}
        try:
            with cur.connection.transaction():
                return event_rows.merge(cur, to_binary(frame, event_rows.COLUMNS))
        except (DatabaseError, UnicodeError) as error:
            if classify(error) not in ("data", "conflict"):
                raise
            if frame.height == 1:
                row = int(frame["row"][0])
                text = " ".join(str(error).split()) or type(error).__name__
                refused.append((BadRecord(row, "TASK_PUT", type(error).__name__, text), sqlstate(error)))
                if len(refused) > PIECE:
                    raise TooManyRefused(f"PostgreSQL refuses more than {PIECE} records of a batch") from error
                return {}
        # Among many refused records the halves of a few are refused too: look at each at once.
        step = 1 if frame.height <= _FEW else (frame.height + 1) // 2
        stored: dict[int, int] = {}
        for piece in frame.iter_slices(step):
            _add(stored, self._store(cur, piece, refused))
        return stored

    def _letter(self, batch: Batch, bad: BadRecord, state: str | None) -> outbox.Letter:
        return letter(self.cluster_id, self._event_type, batch, bad, state)

    def _latency(self, work: Rows) -> None:
        """From the record's own time (set when ingest accepted the event) to the commit.

        A long part is sampled evenly, each sample standing for its share: every event weighs the same.
        """
        now = time.time()
        for part in work.batch:
            count = len(part.messages)
            edges = [at * count // _SAMPLES for at in range(_SAMPLES + 1)] if count > _SAMPLES else range(count + 1)
            for begin, end in pairwise(edges):
                accepted = part.messages[(begin + end) // 2].timestamp()[1] / 1000
                self._worker.observe("end_to_end_seconds", max(0.0, now - accepted), end - begin)


def _add(total: dict[int, int], more: Mapping[int, int]) -> None:
    for key, count in more.items():
        total[key] = total.get(key, 0) + count


def _with_coordinates(frame: pl.DataFrame, batch: Batch) -> pl.DataFrame:
    """Add the Kafka partition and offset of each row."""
    offsets = pl.concat([pl.Series(_OFFSET, part.offsets, pl.Int64) for part in batch])
    partitions = pl.concat([pl.repeat(part.partition, len(part.offsets), dtype=pl.Int32, eager=True) for part in batch])
    if frame.height == batch.count:
        return frame.with_columns(partitions.alias(_PARTITION), offsets.alias(_OFFSET))
    rows = frame["row"]
    return frame.with_columns(partitions.gather(rows).alias(_PARTITION), offsets.gather(rows).alias(_OFFSET))


def _tallies(batch: Batch, bad: list[BadRecord], filtered: list[int]) -> dict[Key, Tally]:
    dead: dict[Key, int] = {}
    out: dict[Key, int] = {}
    for one in bad:
        key = batch.locate(one.row)[0].key
        dead[key] = dead.get(key, 0) + 1
    for row in filtered:
        key = batch.locate(row)[0].key
        out[key] = out.get(key, 0) + 1
    return {
        part.key: Tally(
            stored=len(part.offsets) - dead.get(part.key, 0) - out.get(part.key, 0),
            filtered=out.get(part.key, 0),
            dead=dead.get(part.key, 0),
        )
        for part in batch
    }
