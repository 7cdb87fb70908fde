"""From the dead letter queue into the table, exactly once: the position moves in the same transaction."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from etld.deadletters import arrival, letter_headers, lifecycle
from etld.events.ids import dead_letter_id
from etld.kafka.types import Partition
from etld.postgres.node_lease import NodeLease
from etld.sinks.base import RecordCounts
from etld.sinks.postgres.unwrap import connection_of
from etld.stream import Batch, BatchHandler, Work
from etld.worker.metrics import TELLS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from etld.corrector.forgotten import ForgottenLetters
    from etld.corrector.repair_loop import RepairLoop
    from etld.corrector.sender import LetterSender
    from etld.corrector.topic_retention import TopicRetention
    from etld.deadletters.letters import ArrivedLetter
    from etld.kafka.types import Record
    from etld.sinks.base import SideConnection, Transaction, Verdict
    from etld.worker import Worker

log = logging.getLogger("etld.corrector")


class RepairsStuck(Exception):
    """The thread of the repairs is stuck or has ended: only another process helps, so no `EtldError`."""


@dataclass
class Arrivals(Work):
    """The letters of a batch, with the partition that each came from."""

    letters: list[tuple[Partition, ArrivedLetter]] = field(default_factory=list)


class CorrectorHandler(BatchHandler[Arrivals]):
    """Keeps what the dead letter queue brings; what becomes of it is the repair loop's business."""

    group = "corrector"

    def __init__(
        self,
        worker: Worker,
        repairs: RepairLoop,
        sender: LetterSender,
        forgotten: ForgottenLetters,
        retention: TopicRetention,
    ) -> None:
        self._worker = worker
        self._repairs = repairs
        self._sender = sender
        self._forgotten = forgotten
        self._retention = retention
        self.topics = (worker.config.kafka.dead_letter_topic,)
        self._resumes = worker.resumes
        self._lease = NodeLease(worker)

    def start(self, side: SideConnection) -> None:
        """Know who was forgotten."""
        self._forgotten.load(side)

    def prepare(self, batch: Batch) -> Arrivals:
        """Read the headers."""
        work = Arrivals(batch)
        for share in batch:
            for index in range(share.count):
                work.letters.append((share.partition, self._arrived(share.topic_id, share.records.record(index))))
            work.outcomes[share.partition] = RecordCounts(stored=share.count)
        return work

    def write(
        self, transaction: Transaction, work: Arrivals, verdict: Verdict | None
    ) -> Mapping[Partition, RecordCounts]:
        """Insert the new ones, note the returned ones; a letter that is known already is a duplicate."""
        letters, gone = self._forgotten.left_out(transaction, work.letters)
        known = arrival.keep(
            transaction,
            letters,
            one_by_one=verdict == "data",
            max_attempts=self._worker.config.corrector.max_attempts,
            window=self._worker.config.breaker.window,
        )
        known = {key: known.get(key, 0) + gone.get(key, 0) for key in {**known, **gone}}
        return {partition: RecordCounts(stored=-n, duplicate=n) for partition, n in known.items() if n}

    def committed(self, work: Arrivals) -> None:
        """Wake the repair loop."""
        log.info("received %d dead letters", work.batch.count)
        self._worker.count("dead_letters_received", work.batch.count)
        self._repairs.letters_arrived()

    def at_rest(self) -> bool:
        """Is the repair loop paused too?"""
        self._exchange()
        return self._repairs.resting

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
        """See that the repair loop is alive."""
        self._lease.beat(connection_of(side), self.cluster_id)
        self._exchange()
        self._worker.fault("retention", self._retention.problem())
        self._worker.fault("erasure", self._forgotten.left_over(side))

    def _arrived(self, topic_id: str, record: Record) -> ArrivedLetter:
        own = dead_letter_id(self.cluster_id, topic_id, record.partition.number, record.offset)
        letter = replace(
            arrival.read(own, record.key, record.value, letter_headers.as_text(record.headers)),
            queue_partition=record.partition.number,
            queue_offset=record.offset,
            queued_at=record.timestamp,
        )
        if letter.event_type is None:
            letter = replace(letter, event_type=self._repairs.type_of_topic(letter.topic))
        return letter

    def _exchange(self) -> None:
        """Tell the repair loop what the worker was told, and the worker how the loop is; raises `RepairsStuck`."""
        repairs, worker = self._repairs, self._worker
        if not repairs.alive():
            raise RepairsStuck("the repairs stand still: the worker starts anew")
        repairs.paused = worker.paused
        repairs.round.cluster_id = self.cluster_id
        if self._resumes != worker.resumes:
            self._resumes = worker.resumes
            repairs.close_breaker()
        worker.fault("corrector", repairs.problem)
        worker.fault("trials", repairs.trials.problem)
        worker.fault("hooks", repairs.resting_hooks)
        if killers := repairs.trials.killers():
            worker.count("killers", killers, topic=self.topics[0])
        worker.fault("letters", self._sender.problem)
        worker.fault("breaker", repairs.held)
        counts = repairs.round.counts
        if counts is not None:
            # Every corrector sees the letters of all daemons: one of them tells Prometheus, so that sums are right.
            tells = Partition(self.topics[0], 0) in self.owned
            worker.totals("dead_letters", {**lifecycle.totals(counts), TELLS: int(tells)})
            for state, number in lifecycle.by_state(counts).items():
                worker.gauge("dead_letters", number if tells else None, state=state)
