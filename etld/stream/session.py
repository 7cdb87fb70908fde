"""One life of a consumer: join, claim, read, write, until something breaks."""

from __future__ import annotations

import logging
import time
import zlib
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from etld.kafka.consumer import ConsumerBroken, GroupConsumer
from etld.kafka.errors import KafkaProblem
from etld.postgres.errors import DatabaseError
from etld.sinks.postgres.positions import OFFSET_BEYOND, Found, Positions, end_blockers
from etld.stream.batch import Owned, group
from etld.stream.handler import PIECE
from etld.stream.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.sinks.postgres.positions import Claimed, Halted
    from etld.stream.batch import Batch, Key
    from etld.stream.handler import Handler
    from etld.stream.link import Link
    from etld.worker import Worker

log = logging.getLogger("etld.stream")

_IDLE_POLL, _BUSY_POLL = 0.5, 0.02
_CHECK_TOPICS_EVERY = 5.0
_REPORT_EVERY = 1.0
# Between two turns of the work beside the batches, in seconds: when nothing comes, and under load.
_IDLE_EVERY, _IDLE_UNDER_LOAD = 1.0, 0.25
_PROBE_EVERY, _PROBE_FOR = 2.0, 0.5
_CLOSE_WITHIN = 8.0
_HAND_OVER_WITHIN = 1.0


class Session:
    """Ends by returning when the worker stops, and by an exception when it has to be begun anew."""

    def __init__(self, worker: Worker, handler: Handler[Any], link: Link) -> None:
        self._worker = worker
        self._handler = handler
        self._link = link
        self._owned: dict[Key, Owned] = {}
        self._written: dict[Key, int] = {}
        self._to_commit: dict[Key, int] = {}
        self._halted: dict[Key, Halted] = {}
        self._backlog: deque[Batch] = deque()
        self._faults: dict[str, str | None] = {}
        self._next_check = time.monotonic() + _CHECK_TOPICS_EVERY
        self._next_report = 0.0
        self._next_probe = 0.0
        self._stalled_since: float | None = None
        # Short until the group has given its partitions: a poll goes on after it.
        self._idle_poll = _BUSY_POLL
        conn = link.connection()
        handler.cluster_id = link.cluster_id
        handler.start(conn)
        self._positions = Positions(
            link.cluster_id,
            link.group,
            link.owner,
            in_memory_broker=link.in_memory_broker,
        )
        self._writer = Writer(link.connect, self._positions, handler)
        self._consumer = GroupConsumer(
            link.settings,
            group=link.group,
            instance=_instance(worker, link, handler.topics),
            topics=handler.topics,
            session_timeout=worker.config.kafka.session_timeout,
            max_poll_interval=worker.config.kafka.max_poll_interval,
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
        )

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
                    self._idle_poll = _IDLE_POLL
                self._step()
        finally:
            self._end()

    def has_twin(self) -> bool:
        """After Kafka fenced this member: was it another process of its name, or only its own lost session?"""
        try:
            return self._positions.rival(self._link.connection(), self._link.claimed)
        except DatabaseError as error:
            log.warning("cannot see who owns the partitions: %s", " ".join(str(error).split()))
            return False

    def _step(self) -> None:
        reason = self._handler.gate() or ("paused by hand" if self._worker.paused else None)
        if reason is not None:
            self._stand_still()
            return
        self._take_back()
        if self._writer.full:
            # One batch being written and one in waiting keep PostgreSQL busy: a third would only take memory.
            self._wait_for_writer()
            return
        self._stalled_since = None
        if self._backlog:
            self._prepare(self._backlog.popleft())
            return
        self._consumer.resume({key: owned.next for key, owned in self._owned.items()})
        self._read(_BUSY_POLL if self._writer.busy else self._idle_poll)
        if not self._backlog and not self._writer.busy:
            self._idle()

    def _read(self, timeout: float) -> None:
        options = self._link.options
        polled = self._consumer.poll(options.max_records, options.max_bytes, options.linger, timeout)
        if polled.messages or polled.ends:
            batch = group(polled.messages, polled.ends, self._owned)
            if batch is not None:
                self._backlog.append(batch)

    def _prepare(self, batch: Batch) -> None:
        try:
            work = self._handler.prepare(batch)
        except Exception as error:
            self._backlog.appendleft(batch)
            text = str(error) or type(error).__name__
            if self._faults.get("batch") != text:
                log.error("cannot make a batch ready, trying again: %s", text, exc_info=_trace(error))
            self._fault("batch", text)
            self._stand_still(2.0)
            return
        self._fault("batch", None)
        few = self._handler.limit(work)
        if few is not None and 0 < few < batch.count:
            head, tail = batch.split(few)
            self._backlog.appendleft(tail)
            work = self._handler.prepare(head)
        self._writer.submit(work)

    def _take_back(self) -> None:
        """Have what the writer could not write in one piece come again in small ones."""
        works = self._writer.take_back()
        if works:
            first, *others = (work.batch for work in works)
            self._backlog.extendleft(reversed([*first.pieces(PIECE), *others]))

    def _wait_for_writer(self) -> None:
        now = time.monotonic()
        if self._stalled_since is None:
            self._stalled_since = now
        if now - self._stalled_since < 1.0:
            self._writer.wait_room(0.05)
            return
        # PostgreSQL is slow or away: keep the membership alive without reading on.
        self._stand_still()

    def _stand_still(self, seconds: float = 0.2) -> None:
        self._consumer.pause()
        deadline = time.monotonic() + seconds
        while True:
            self._read(0.1)
            self._settle()
            if self._worker.paused and self._writer.idle and self._handler.resting():
                self._worker.at_rest()
            if time.monotonic() >= deadline or self._worker.stopping:
                break
        self._idle()

    def _settle(self) -> None:
        """What is done, what is broken, and a sign of life."""
        while self._writer.done:
            written = self._writer.done.popleft()
            for part in written.work.batch:
                self._written[part.key] = self._to_commit[part.key] = part.next_offset
            self._totals(written.totals)
            self._worker.events(written.work.batch.count)
            self._worker.observe("batch_duration_seconds", written.seconds)
            self._worker.observe("batch_records", written.work.batch.count)
            self._handler.committed(written.work)
            self._idle(_IDLE_UNDER_LOAD)
        if self._writer.failure is not None:
            raise self._writer.failure
        limits = self._worker.config.postgres
        if self._writer.stuck_for() < limits.statement_timeout + limits.connect_timeout + 5:
            self._worker.beat()
        self._fault("postgres", self._writer.problem or self._link.database_problem)
        now = time.monotonic()
        if self._consumer.broker_problem and now >= self._next_probe:
            self._next_probe = now + _PROBE_EVERY
            self._consumer.recheck(_PROBE_FOR)
        self._fault("kafka", self._consumer.broker_problem)
        if now >= self._next_report:
            self._next_report = now + _REPORT_EVERY
            self._report()
        if now >= self._next_check:
            self._next_check = now + _CHECK_TOPICS_EVERY
            self._check_topics()

    def _idle(self, every: float = _IDLE_EVERY) -> None:
        now = time.monotonic()
        if now - self._link.rested < every:
            return
        self._link.rested = now
        conn = self._link.try_connection()
        if conn is None:
            return
        try:
            self._handler.idle(conn)
        except (DatabaseError, KafkaProblem) as error:
            log.warning("work beside the batches failed, trying again: %s", " ".join(str(error).split()))
            if isinstance(error, DatabaseError):
                self._link.disconnect()

    def _report(self) -> None:
        if self._to_commit:
            self._consumer.commit(self._to_commit)
            self._to_commit = {}
        for key, owned in self._owned.items():
            high = self._consumer.high(key)
            if high is not None:
                done = self._written.get(key, owned.next)
                self._worker.lag(f"{key[0]}:{key[1]}", max(0, high - done))
        self._fault("partitions", "; ".join(halt.text for halt in self._halted.values()) or None)

    def _check_halted(self) -> None:
        """Claim anew when `etld resume --from low` has let a partition go on."""
        conn = self._link.try_connection()
        if conn is None:
            return
        try:
            standing = self._positions.standing(conn)
        except DatabaseError:
            self._link.disconnect()
            return
        if not self._halted.keys() <= standing:
            raise ConsumerBroken("a halted partition may go on")

    def _check_topics(self) -> None:
        if self._halted:
            self._check_halted()
        if self._consumer.broker_problem or not self._owned:
            return
        try:
            topics = self._link.admin.topics(sorted({key[0] for key in self._owned}))
        except KafkaProblem as error:
            log.debug("cannot check topic ids now: %s", error)
            return
        for key, owned in self._owned.items():
            seen = topics.get(key[0])
            if seen is not None and seen.topic_id != owned.topic_id:
                raise ConsumerBroken(f"topic {key[0]} was deleted and made anew")

    def _on_assign(self, keys: Sequence[Key], marks: Mapping[Key, tuple[int, int]]) -> Mapping[Key, int]:
        topics = self._link.admin.topics(sorted({topic for topic, _ in keys}))
        found = []
        for topic, part in keys:
            if topic not in topics:
                raise ConsumerBroken(f"topic {topic} does not exist")
            found.append(Found(topic, part, topics[topic].topic_id, *marks[(topic, part)]))
        claimed, halted = self._claim(found)
        for halt in halted:
            log.error("%s", halt.text, extra={"topic": halt.topic, "partition": halt.part})
            self._halted[(halt.topic, halt.part)] = halt
        starts = {}
        for claim in claimed:
            key = (claim.topic, claim.part)
            self._halted.pop(key, None)
            self._owned[key] = Owned(claim.topic_id, claim.epoch, claim.next_offset)
            self._written[key] = starts[key] = claim.next_offset
            self._link.claimed.add(key)
        self._totals({(c.topic, c.part): c.totals for c in claimed if c.totals})
        log.info("claimed %d partitions", len(claimed), extra={"topic": ",".join(sorted(topics))})
        return starts

    def _claim(self, found: list[Found]) -> tuple[list[Claimed], list[Halted]]:
        conn = self._link.connection()
        claimed, halted = self._positions.claim(conn, found, self._unblock)
        beyond = {(halt.topic, halt.part) for halt in halted if halt.reason == OFFSET_BEYOND}
        if not beyond:
            return claimed, halted
        # Until the claim the former owner may have gone past the end of the log that was seen before it.
        again = []
        for seen in found:
            if (seen.topic, seen.part) in beyond:
                low, high = self._link.admin.watermarks(seen.topic, [seen.part])[seen.part]
                again.append(replace(seen, low=low, high=high))
        more, still = self._positions.claim(conn, again, self._unblock)
        return claimed + more, [halt for halt in halted if halt.reason != OFFSET_BEYOND] + still

    def _on_revoke(self, keys: Sequence[Key]) -> None:
        # What is not handed over yet is dropped: the next owner reads it again from the position in the database.
        # What the writer has is let through, if that takes no longer than a moment: fenced in mid-batch, this
        # session would end, and with it all that it reads.
        self._writer.wait_idle(_HAND_OVER_WITHIN)
        for key in keys:
            self._owned.pop(key, None)
            self._written.pop(key, None)
            self._to_commit.pop(key, None)
            self._worker.lag(f"{key[0]}:{key[1]}", 0)
        kept = (batch.without(keys) for batch in self._backlog)
        self._backlog = deque(batch for batch in kept if batch is not None)

    def _unblock(self, backend_pid: int) -> None:
        try:
            with self._link.connect() as conn:
                end_blockers(conn, backend_pid)
        except DatabaseError as error:
            log.warning("cannot end the backend that blocks a claim: %s", error)

    def _totals(self, totals: Mapping[Key, Mapping[str, int]]) -> None:
        if self._handler.reports_totals:
            for (topic, part), values in totals.items():
                self._worker.totals(f"{topic}:{part}", dict(values))

    def _fault(self, name: str, text: str | None) -> None:
        # A new session says once that nothing is wrong: an earlier one may have said otherwise.
        if name not in self._faults or self._faults[name] != text:
            self._faults[name] = text
            self._worker.fault(name, text)

    def _end(self) -> None:
        self._writer.close(_CLOSE_WITHIN)
        self._worker.beat()
        while self._writer.done:
            written = self._writer.done.popleft()
            for part in written.work.batch:
                self._to_commit[part.key] = part.next_offset
            self._totals(written.totals)
            self._handler.committed(written.work)
        self._consumer.commit(self._to_commit)
        self._consumer.close(_CLOSE_WITHIN)
        for name in self._faults:
            if self._worker.stopping:
                self._fault(name, None)


def _instance(worker: Worker, link: Link, topics: Sequence[str]) -> str:
    """The static id of this slot, for this set of topics.

    A static member that comes back is given its old partitions without a rebalance. With other topics it would wait
    for ever for the new ones, and of a topic that was made anew with fewer partitions it would get some that are no
    more: so with other topics, or topic ids, it is another member.
    """
    there = link.admin.topics(topics)
    named = ",".join(f"{topic}={there[topic].topic_id if topic in there else ''}" for topic in sorted(topics))
    return f"{worker.config.node_id}-{worker.name}-{zlib.crc32(named.encode()):08x}"


def _trace(error: BaseException) -> BaseException | None:
    from etld.errors import EtldError

    return None if isinstance(error, EtldError) else error
