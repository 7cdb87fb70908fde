"""One life of a consumer: join, claim, read, write, until something breaks."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from etld.errors import EtldError
from etld.isolation.in_hand import PREPARING
from etld.kafka.errors import KafkaProblem
from etld.kafka.ports import Membership
from etld.sinks.base import SinkError
from etld.stream.assignments import Assignments
from etld.stream.batch import next_batch, up_to
from etld.stream.gathering import Gathering
from etld.stream.member import instance, is_missed
from etld.stream.report import SessionReport
from etld.stream.silence import Silence
from etld.stream.writer import Writer
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.kafka.types import Offset, Partition
    from etld.stream.batch import Batch
    from etld.stream.handler import BatchHandler
    from etld.stream.resources import BatchLimits, Resources, Timings
    from etld.stream.vetting import Vetting
    from etld.worker import Worker

log = logging.getLogger("etld.stream")

_CLOSE_WITHIN = 8.0
_HAND_OVER_WITHIN, _LEAVE_WITHIN = 1.0, 2.0


class Session:
    """Ends by returning when the worker stops, and by an exception when it has to be begun anew."""

    def __init__(
        self,
        worker: Worker,
        handler: BatchHandler[Any],
        resources: Resources,
        vetting: Vetting,
        limits: BatchLimits,
        timings: Timings,
    ) -> None:
        self._worker = worker
        self._handler = handler
        self._resources = resources
        self._vetting = vetting
        self._limits = limits
        self._timings = timings
        self._sink = resources.sink
        self._backlog: deque[Batch] = deque()
        self._gathering = Gathering(handler)
        self._report = SessionReport(worker, resources.in_time, resources.reached, with_totals=handler.reports_totals)
        self._assignments = Assignments(resources, self._report)
        self._next_check = time.monotonic() + self._timings.check_topics_every
        self._next_report = 0.0
        self._stalled_since: float | None = None
        # Short until the group has given its partitions: a poll goes on after it.
        self._idle_poll = self._timings.busy_poll
        vetting.drop()
        handler.cluster_id = resources.cluster_id
        handler.owned = self._assignments.owned
        handler.encode, handler.join, handler.leave_out = self._sink.encode, self._sink.join, self._sink.leave_out
        with self._sink.beside() as side:
            handler.start(side)
        self._writer = Writer(self._sink, handler, vetting.in_hand, timings.write_retry)
        self._instance = instance(worker, resources.admin, handler)
        self._consumer = resources.cluster.consumer(
            Membership(
                resources.group_in_kafka,
                self._instance,
                handler.topics,
                worker.config.kafka.session_timeout,
                worker.config.kafka.max_poll_interval,
            ),
            self._assignments.assign,
            self._on_revoke,
        )
        self._silence = Silence(self._consumer, resources.admin, timings)

    def run(self) -> None:
        """Read and write until the worker stops; raises what ended the session."""
        began = time.monotonic()
        ready = False
        try:
            while not self._worker.stopping:
                self._settle()
                if not ready and (self._consumer.joined or time.monotonic() - began > 12):
                    self._worker.ready()
                    ready = True
                    self._idle_poll = self._timings.idle_poll
                self._step()
        finally:
            # Before all is closed, which takes long without a broker.
            self._report.fault("kafka", self._consumer.broker_problem)
            self._end()

    def has_twin(self) -> bool:
        """After Kafka fenced this member: was it another process of its name, or only its own lost session?"""
        try:
            return self._sink.has_rival(self._resources.claimed)
        except SinkError as error:
            log.warning("cannot see who owns the partitions: %s", error)
            return False

    def _step(self) -> None:
        # On the way to where a pause lets it go nothing blocks: another worker has passed that with the same records.
        if self._is_to_rest() or (not self._worker.paused and self._handler.blocked_by()):
            self._stand_still()
            return
        self._take_back()
        if self._vetting.partitions:
            self._take_vetted()
        self._hand_over(self._gathering.is_due)
        if self._writer.full or self._gathering.is_full:
            # One batch being written and one in waiting keep the sink busy: a third would only take memory.
            self._wait_for_writer()
            return
        self._stalled_since = None
        if self._backlog:
            self._prepare(self._backlog.popleft())
            return
        self._consumer.resume(self._assignments.positions())
        busy = self._writer.busy or self._vetting.partitions
        self._read(self._timings.busy_poll if busy else self._idle_poll)
        if not self._backlog and not self._writer.busy:
            self._idle()

    def _read(self, timeout: float) -> None:
        limits = self._limits
        polled = self._consumer.poll(limits.max_records, limits.max_bytes, limits.linger, timeout)
        if self._worker.paused:
            polled = up_to(polled, self._limits_of_pause())
        if polled.records or polled.ends:
            self._silence.heard(of_all=not self._vetting.partitions)
            batch = next_batch(polled, self._assignments.owned)
            if batch is not None:
                self._backlog.append(batch)
                if self._vetting.watchful:
                    self._hold_back(self._backlog.pop())

    def _hold_back(self, *batches: Batch) -> None:
        """Leave out the partitions whose records are tried first; nothing more of them is read meanwhile."""
        rest = (self._vetting.take(batch) for batch in batches)
        self._backlog.extend(batch for batch in rest if batch is not None)
        self._consumer.hold(self._vetting.partitions, self._assignments.positions())

    def _take_vetted(self) -> None:
        self._backlog.extend(self._vetting.vetted())
        self._consumer.hold(self._vetting.partitions, self._assignments.positions())

    def _prepare(self, batch: Batch) -> None:
        note = self._vetting.note(batch)
        try:
            with self._vetting.in_hand.holding(PREPARING, note):
                work = self._handler.prepare(batch)
        except Exception as error:
            self._backlog.appendleft(batch)
            self._cannot_prepare(batch, error)
            return
        self._report.fault("batch", None)
        work.note = note
        few = self._handler.limit(work)
        if few is not None and 0 < few < batch.count:
            head, tail = batch.split(few)
            self._backlog.appendleft(tail)
            work = self._handler.prepare(head)
        if self._gathering.is_on:
            self._gathering.add(work)
        else:
            self._writer.submit(work)

    def _hand_over(self, wanted: bool) -> None:
        """Have the writer take what was gathered, if that is wanted: not while it is at the last one."""
        if wanted and self._gathering and not self._writer.busy and self._writer.idle:
            work = self._gathering.take()
            work.note = self._vetting.note(work.batch)
            self._writer.submit(work)

    def _cannot_prepare(self, batch: Batch, error: Exception) -> None:
        told = isinstance(error, EtldError)
        text = str(error) or type(error).__name__
        if self._report.fault("batch", text):
            log.error("cannot make a batch ready, trying again: %s", text, exc_info=None if told else error)
        if not told and self._vetting.suspect(batch):
            # No mistake that somebody foresaw: is it a record's doing?
            batches = list(self._backlog)
            self._backlog.clear()
            self._hold_back(*batches)
        else:
            self._stand_still(2.0)

    def _take_back(self) -> None:
        """Have what the writer could not write in one piece come again in small ones."""
        works = self._writer.take_back()
        if works:
            first, *others = (work.batch for work in works)
            self._backlog.extendleft(reversed([*first.pieces(self._limits.piece), *others]))

    def _wait_for_writer(self) -> None:
        now = time.monotonic()
        if self._stalled_since is None:
            self._stalled_since = now
        if now - self._stalled_since < 1.0:
            if self._gathering.is_on:
                self._writer.wait_idle(0.05)
            else:
                self._writer.wait_room(0.05)
            return
        # The sink is slow or away: keep the membership alive without reading on.
        self._stand_still()

    def _stand_still(self, seconds: float | None = None) -> None:
        self._consumer.pause()
        deadline = time.monotonic() + (self._timings.stand_still if seconds is None else seconds)
        while True:
            self._read(self._timings.still_poll)
            self._settle()
            resting = self._is_to_rest()
            self._hand_over(resting or self._gathering.is_due)
            if resting and self._writer.idle and not self._gathering and self._handler.at_rest():
                self._rest()
            if time.monotonic() >= deadline or self._worker.stopping:
                break
        self._silence.not_listening()
        self._idle()

    def _is_to_rest(self) -> bool:
        """Is it paused, and as far as the pause lets it go?"""
        if not self._worker.paused:
            return False
        until, owned = self._worker.until, self._assignments.owned
        if until and (self._backlog or self._vetting.partitions):
            return False
        return all(owned[key].next >= offset for key, offset in until.items() if key in owned)

    def _limits_of_pause(self) -> dict[Partition, Offset]:
        """While it is paused nothing is taken beyond where it stands, or is told to go."""
        until = self._worker.until
        return {key: max(mine.next, until.get(key, 0)) for key, mine in self._assignments.owned.items()}

    def _rest(self) -> None:
        """Say where it stands. What was read and is not written is read again after the pause."""
        self._assignments.go_back(self._backlog, self._vetting.waiting())
        self._backlog.clear()
        self._vetting.drop()
        self._consumer.hold((), self._assignments.positions())
        self._worker.at_rest({(key.topic, key.number): at for key, at in self._assignments.positions().items()})

    def _settle(self) -> None:
        """What is done, what is broken, and a sign of life."""
        self._take_done()
        if self._writer.failure is not None:
            raise self._writer.failure
        if self._writer.stuck_for() < self._write_within():
            self._worker.beat()
        self._report.fault(self._sink.name, self._writer.problem or self._sink.problem)
        now = time.monotonic()
        self._silence.look(self._assignments.owned, self._vetting.partitions)
        self._report.fault("kafka", self._consumer.broker_problem)
        self._report.fault("search", self._vetting.problem())
        if now >= self._next_report:
            self._next_report = now + self._timings.report_every
            self._report.commit(self._consumer)
            self._report.lag(self._consumer, self._silence.ends, self._assignments.owned)
            halted = "; ".join(halt.text for halt in self._assignments.halted.values())
            self._report.fault("partitions", halted or None)
            self._report.fault("failover", self._assignments.read_again())
        if now >= self._next_check:
            self._next_check = now + self._timings.check_topics_every
            self._assignments.check(broker_is_well=not self._consumer.broker_problem)

    def _write_within(self) -> float:
        limits = self._worker.config.postgres
        return self._sink.write_within or limits.statement_timeout + limits.connect_timeout + 5

    def _take_done(self) -> None:
        while self._writer.done:
            written = self._writer.done.popleft()
            batch = written.work.batch
            self._report.written(batch)
            self._vetting.committed(batch)
            self._report.totals(written.totals)
            self._worker.events(batch.count)
            self._worker.observe("batch_duration_seconds", written.seconds)
            self._worker.observe("batch_records", batch.count)
            self._handler.committed(written.work)
            self._idle(self._timings.idle_under_load)

    def _idle(self, every: float | None = None) -> None:
        now = time.monotonic()
        if now - self._resources.idled_at < (self._timings.idle_every if every is None else every):
            return
        self._resources.idled_at = now
        if not self._sink.reachable():
            return
        try:
            with self._sink.beside() as side:
                self._handler.idle(side)
        except (SinkError, KafkaProblem) as error:
            log.warning("work beside the batches failed, trying again: %s", one_line(error))
            if isinstance(error, SinkError):
                self._sink.disconnect()

    def _on_revoke(self, partitions: Sequence[Partition]) -> None:
        # What is not handed over yet is dropped: the next owner reads it again from the position in the sink.
        # What the writer has is let through, if that takes no longer than a moment: fenced in mid-batch, this
        # session would end, and with it all that it reads.
        self._writer.wait_idle(_HAND_OVER_WITHIN)
        self._assignments.drop(partitions)
        self._vetting.drop(partitions)
        self._gathering.drop(partitions)
        kept = (batch.without(partitions) for batch in self._backlog)
        self._backlog = deque(batch for batch in kept if batch is not None)

    def _end(self) -> None:
        self._writer.close(_CLOSE_WITHIN)
        self._worker.beat()
        while self._writer.done:
            written = self._writer.done.popleft()
            self._report.written(written.work.batch)
            self._vetting.committed(written.work.batch)
            self._report.totals(written.totals)
            self._handler.committed(written.work)
        self._report.commit(self._consumer)
        if self._worker.stopping and is_missed(self._worker, self._resources, self._handler, self._instance):
            self._consumer.leave(_LEAVE_WITHIN)
        self._consumer.close(_CLOSE_WITHIN)
        if self._worker.stopping:
            self._report.clear_faults()
