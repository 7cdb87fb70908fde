"""Positions of consumer groups in PostgreSQL, moved in the transaction of what they stand for.

A claim raises the partition's epoch; the first statement of every batch is a compare-and-set of epoch and offset.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from etld.kafka.types import Partition
from etld.postgres import lease, statements
from etld.sinks import checks
from etld.sinks.base import TOTALS, Claimed, Fenced, Halted, RecordCounts
from etld.sinks.postgres.seen_timelines import SeenTimelines

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from etld.postgres.connections import Connection, Cursor
    from etld.sinks.base import Advance, Consumer, PartitionLog

log = logging.getLogger("etld.postgres")
_SQL = statements.load(__package__, "positions")
#: In the order of TOTALS; what follows there is not counted by lives.
_COUNTS = ("stored", "duplicate", "filtered", "dead")
#: An epoch is the timeline, 2^40 times, and a number: see etld.next_epoch.
_TIMELINE_BITS = 40
# Seconds until the backend of a former owner that holds its partitions is ended.
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class EventTable:
    """What the table of events is like in a transaction: may it have `triggers`, and is it `partitioned`?

    `erasures` is the number of the last erasure step that the owner of a batch has to know.
    """

    erasures: int
    triggers: bool
    partitioned: bool


#: In a transaction that has not asked.
UNKNOWN_TABLE: Final = EventTable(0, triggers=False, partitioned=False)


class Positions:
    """The positions of one consumer group on one cluster."""

    def __init__(self, consumer: Consumer, seen: SeenTimelines | None = None) -> None:
        self._seen = seen or SeenTimelines()
        self._ids = {"cluster": consumer.cluster_id, "group": consumer.group}
        self._owner = consumer.owner
        self._in_memory = consumer.in_memory_broker
        #: What was counted before the present life of each position that we claimed.
        self._before: dict[Partition, RecordCounts] = {}

    def claim(
        self, conn: Connection, logs: Sequence[PartitionLog], unblock: Callable[[int], Any] | None = None
    ) -> tuple[list[Claimed], list[Halted]]:
        """Make partitions ours; those that must not be read are halted in the table and told apart.

        Waits for an open transaction of the former owner, and returns the offsets after it. When that
        takes longer than 2 s, `unblock(backend pid)` is called from another thread, to end the backend
        of a frozen owner. Raises psycopg errors, and `SinkError` where the server is a former primary.
        """
        if not logs:
            return [], []
        self._seen.check(conn)
        timer: threading.Timer | None = None
        try:
            with conn.transaction():
                if unblock:
                    # Asked in the transaction: behind a pooler no other has this backend, and the driver knows none.
                    timer = threading.Timer(_PATIENCE, unblock, conn.execute("SELECT pg_backend_pid()").fetchone())
                    timer.daemon = True
                    timer.start()
                return self._claim(conn, logs)
        finally:
            if timer:
                timer.cancel()

    def _claim(self, conn: Connection, logs: Sequence[PartitionLog]) -> tuple[list[Claimed], list[Halted]]:
        rows = conn.execute(
            _SQL.claim,
            {
                **self._ids,
                **_keys(one.partition for one in logs),
                "owner": self._owner,
                "ids": [one.topic_id for one in logs],
                "lows": [one.low for one in logs],
            },
        ).fetchall()
        by_partition = {one.partition: one for one in logs}
        claimed: list[Claimed] = []
        halted: list[Halted] = []
        for topic, number, topic_id, next_offset, epoch, was_halted, failed_over, *lives in rows:
            ended, counts = RecordCounts(*lives[: len(_COUNTS)]), lives[len(_COUNTS) :]
            seen = by_partition[Partition(topic, number)]
            self._before[seen.partition] = ended
            if topic_id != seen.topic_id and self._in_memory:
                anew = self._start_over(conn, seen, "in-memory broker restarted")
                self._before[seen.partition] = RecordCounts(*_added(ended, counts)[: len(_COUNTS)])
                claimed.append(Claimed(seen.partition, seen.topic_id, seen.low, anew))
                continue
            halt = checks.halt(seen, topic_id, next_offset, in_memory_broker=self._in_memory)
            if halt is None:
                if was_halted:
                    self._set_halted(conn, seen.partition, "")
                totals = _named(_added(ended, counts))
                claimed.append(Claimed(seen.partition, topic_id, next_offset, epoch, totals, failed_over=failed_over))
                continue
            self._set_halted(conn, seen.partition, halt.reason)
            halted.append(halt)
        return claimed, halted

    def advance(
        self, cur: Cursor, advances: Sequence[Advance], outcomes: Mapping[Partition, RecordCounts]
    ) -> tuple[dict[Partition, dict[str, int]], EventTable]:
        """The first statement of a batch: move every position, or raise `Fenced`.

        Returns the totals since ever, and what the table of events is like now.
        """
        cur.execute(
            _SQL.advance,
            {
                **self._ids,
                **_keys(one.partition for one in advances),
                "ids": [one.topic_id for one in advances],
                "epochs": [one.epoch for one in advances],
                "expected": [one.expected for one in advances],
                "next": [one.next for one in advances],
                "consumed": [one.consumed for one in advances],
                "gaps": [one.gaps for one in advances],
                **_columns([outcomes.get(one.partition, RecordCounts()) for one in advances]),
            },
        )
        rows = cur.fetchall()
        if len(rows) != len(advances):
            self._explain_failover(cur, advances)
            raise checks.fenced(len(advances), len(advances) - len(rows))
        erasures = max((row[-3] for row in rows), default=0)
        table = EventTable(erasures, any(row[-2] for row in rows), any(row[-1] for row in rows))
        return self._totals(row[:-3] for row in rows), table

    def adjust(self, cur: Cursor, changes: Mapping[Partition, RecordCounts]) -> dict[Partition, dict[str, int]]:
        """Correct the counts of a batch whose outcome was known only after writing; same transaction."""
        cur.execute(_SQL.adjust, {**self._ids, **_keys(changes), **_columns(list(changes.values()))})
        return self._totals(cur.fetchall())

    def happened(self, conn: Connection, advances: Sequence[Advance]) -> bool:
        """After a COMMIT without an answer: did it happen? Raises `Fenced` when the partitions went on."""
        topics = sorted({one.partition.topic for one in advances})
        rows = conn.execute(_SQL.read, {**self._ids, "topics": topics}).fetchall()
        now = {Partition(topic, number): (epoch, offset) for topic, number, epoch, offset in rows}
        return checks.happened(advances, now)

    def rival(self, conn: Connection, claimed: Collection[Partition]) -> bool:
        """Has another process of our name taken one of the partitions that we claimed?"""
        return any(
            checks.same_name(self._owner, owner)
            for topic, number, owner in conn.execute(_SQL.owners, self._ids)
            if (topic, number) in claimed
        )

    def halted(self, conn: Connection) -> set[Partition]:
        """The partitions that stand halted now."""
        return {Partition(*row) for row in conn.execute(_SQL.standing, self._ids)}

    def epochs(self, conn: Connection) -> dict[Partition, int]:
        """The epoch of each position now."""
        return {Partition(topic, number): epoch for topic, number, epoch in conn.execute(_SQL.epochs, self._ids)}

    def note_rewound(self, conn: Connection, records: Mapping[Partition, int]) -> None:
        """So many records of partitions are read again after a failover."""
        conn.execute(_SQL.note_rewound, {**self._ids, **_keys(records), "records": list(records.values())})

    def _explain_failover(self, cur: Cursor, advances: Sequence[Advance]) -> None:
        timeline = lease.timeline(cur.connection)
        if any(timeline not in (0, one.epoch >> _TIMELINE_BITS) for one in advances):
            raise Fenced(
                f"PostgreSQL went over to another server (timeline {timeline}); nothing of this batch was written, and"
                " what that server has not got is read again"
            )

    def _totals(self, rows: Iterable[Sequence[Any]]) -> dict[Partition, dict[str, int]]:
        found = {}
        for topic, number, *counts in rows:
            partition = Partition(topic, number)
            found[partition] = _named(_added(self._before.get(partition, RecordCounts()), counts))
        return found

    def _start_over(self, conn: Connection, seen: PartitionLog, reason: str) -> int:
        where = {**self._ids, **_key(seen.partition)}
        conn.execute(_SQL.archive, {**where, "reason": reason})
        row = conn.execute(_SQL.restart, {**where, "topic_id": seen.topic_id, "low": seen.low}).fetchone()
        assert row is not None
        return int(row[0])

    def _set_halted(self, conn: Connection, partition: Partition, why: str) -> None:
        conn.execute(_SQL.halt, {**self._ids, **_key(partition), "why": why})


def end_blockers(conn: Connection, backend_pid: int) -> int:
    """End the backends of workers that block `backend_pid`; how many. Others' locks are left alone."""
    rows = conn.execute(_SQL.blockers, {"pid": backend_pid}).fetchall()
    for (pid,) in rows:
        log.warning("ended PostgreSQL backend %d: its client froze inside a transaction", pid)
    return len(rows)


def _key(partition: Partition) -> dict[str, Any]:
    return {"topic": partition.topic, "partition": partition.number}


def _keys(partitions: Iterable[Partition]) -> dict[str, Any]:
    found = list(partitions)
    return {"topics": [one.topic for one in found], "partitions": [one.number for one in found]}


def _columns(outcomes: Iterable[RecordCounts]) -> dict[str, list[int]]:
    items = list(outcomes)
    return {
        "stored": [one.stored for one in items],
        "duplicate": [one.duplicate for one in items],
        "filtered": [one.filtered for one in items],
        "dead": [one.dead for one in items],
    }


def _named(counts: Sequence[int]) -> dict[str, int]:
    return dict(zip(TOTALS, counts, strict=True))


def _added(before: RecordCounts, counts: Sequence[int]) -> list[int]:
    """Counts of a life in the order of TOTALS, with those of the lives before."""
    earlier = [getattr(before, name) for name in _COUNTS]
    return [count + more for count, more in zip(counts, earlier, strict=False)] + list(counts[len(earlier) :])
