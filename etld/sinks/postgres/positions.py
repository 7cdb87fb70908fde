"""Positions of consumer groups, kept in the transaction of what they stand for.

A claim raises the partition's epoch; the first statement of every batch is a compare-and-set of epoch and
offset. So of two processes that both believe they own a partition, only the later one can write.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etld.errors import EtldError
from etld.postgres import statements

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from etld.postgres.connections import Connection, Cursor

log = logging.getLogger("etld.postgres")
_SQL = statements.load(__package__, "positions")
Key = tuple[str, int]

RECREATED = "TOPIC_RECREATED"
OFFSET_LOST = "OFFSET_LOST"
OFFSET_BEYOND = "OFFSET_BEYOND"


class Fenced(EtldError):
    """Somebody else has claimed a partition of this batch since: the batch is theirs now."""


@dataclass(frozen=True, slots=True)
class Found:
    """What Kafka says of a partition at the moment of the claim."""

    topic: str
    part: int
    topic_id: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A partition that is ours, from `next_offset` on, as long as nobody raises `epoch`."""

    topic: str
    part: int
    topic_id: str
    next_offset: int
    epoch: int
    totals: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Halted:
    """A partition that stands still until a person decides: why, in words."""

    topic: str
    part: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of records, in records."""

    stored: int = 0
    duplicate: int = 0
    filtered: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """One partition's step: from `expected` to `next`, over `consumed` records and `gaps` empty offsets."""

    topic: str
    part: int
    topic_id: str
    epoch: int
    expected: int
    next: int
    consumed: int
    gaps: int


class Positions:
    """The positions of one consumer group on one cluster."""

    def __init__(self, cluster_id: str, group: str, owner: str, *, in_memory_broker: bool = False) -> None:
        self._ids = {"cluster": cluster_id, "group": group}
        self._owner = owner
        self._in_memory = in_memory_broker

    def claim(
        self, conn: Connection, found: Sequence[Found], unblock: Callable[[int], Any] | None = None
    ) -> tuple[list[Claimed], list[Halted]]:
        """Make partitions ours; those that must not be read are halted in the table and told apart.

        Waits for an open transaction of the former owner, and returns the offsets after it. When that
        takes longer than 2 s, `unblock(backend pid)` is called from another thread, to end the backend
        of a frozen owner. Raises psycopg errors.
        """
        if not found:
            return [], []
        backend = conn.info.backend_pid
        timer = threading.Timer(2.0, unblock, (backend,)) if unblock else None
        if timer:
            timer.daemon = True
            timer.start()
        try:
            with conn.transaction():
                return self._claim(conn, found)
        finally:
            if timer:
                timer.cancel()

    def _claim(self, conn: Connection, found: Sequence[Found]) -> tuple[list[Claimed], list[Halted]]:
        rows = conn.execute(
            _SQL.claim,
            {
                **self._ids,
                "owner": self._owner,
                "topics": [f.topic for f in found],
                "partitions": [f.part for f in found],
                "ids": [f.topic_id for f in found],
                "lows": [f.low for f in found],
            },
        ).fetchall()
        by_key = {(f.topic, f.part): f for f in found}
        claimed: list[Claimed] = []
        halted: list[Halted] = []
        for topic, part, topic_id, next_offset, epoch, was_halted, *counts in rows:
            seen = by_key[(topic, part)]
            totals = dict(zip(("stored", "duplicate", "filtered", "dead"), counts, strict=True))
            if topic_id != seen.topic_id and self._in_memory:
                epoch = self._start_over(conn, seen, "in-memory broker restarted")
                claimed.append(Claimed(topic, part, seen.topic_id, seen.low, epoch))
                continue
            reason = _trouble(seen, topic_id, next_offset, in_memory=self._in_memory)
            if reason is None:
                if was_halted:
                    self._set_halted(conn, topic, part, "")
                claimed.append(Claimed(topic, part, topic_id, next_offset, epoch, totals))
                continue
            self._set_halted(conn, topic, part, reason)
            halted.append(Halted(topic, part, reason, _explain(reason, seen, next_offset)))
        return claimed, halted

    def advance(self, cur: Cursor, moves: Sequence[Move], tallies: Mapping[Key, Tally]) -> dict[Key, dict[str, int]]:
        """The first statement of a batch: move every position, or raise `Fenced`; totals since ever, by key."""
        cur.execute(
            _SQL.advance,
            {
                **self._ids,
                "topics": [m.topic for m in moves],
                "partitions": [m.part for m in moves],
                "ids": [m.topic_id for m in moves],
                "epochs": [m.epoch for m in moves],
                "expected": [m.expected for m in moves],
                "next": [m.next for m in moves],
                "consumed": [m.consumed for m in moves],
                "gaps": [m.gaps for m in moves],
                **_columns([tallies.get((m.topic, m.part), Tally()) for m in moves]),
            },
        )
        rows = cur.fetchall()
        if len(rows) != len(moves):
            raise Fenced(
                f"{len(moves) - len(rows)} of {len(moves)} partitions have another owner now;"
                " nothing of this batch was written"
            )
        return _totals(rows)

    def adjust(self, cur: Cursor, changes: Mapping[Key, Tally]) -> dict[Key, dict[str, int]]:
        """Correct the tallies of a batch whose outcome was known only after writing; same transaction."""
        cur.execute(
            _SQL.adjust,
            {
                **self._ids,
                "topics": [key[0] for key in changes],
                "partitions": [key[1] for key in changes],
                **_columns(list(changes.values())),
            },
        )
        return _totals(cur.fetchall())

    def outcome(self, conn: Connection, moves: Sequence[Move]) -> bool:
        """After a COMMIT without an answer: did it happen? Raises `Fenced` when the partitions went on."""
        rows = conn.execute(_SQL.read, {**self._ids, "topics": sorted({m.topic for m in moves})}).fetchall()
        now = {(topic, part): (epoch, offset) for topic, part, epoch, offset in rows}
        states = {now.get((m.topic, m.part)) for m in moves}
        if states == {(m.epoch, m.next) for m in moves} and all(
            now.get((m.topic, m.part)) == (m.epoch, m.next) for m in moves
        ):
            return True
        if all(now.get((m.topic, m.part)) == (m.epoch, m.expected) for m in moves):
            return False
        raise Fenced(
            "the partitions have another owner since the connection broke; if this batch was written before,"
            " the new owner goes on behind it, else it reads it again"
        )

    def rival(self, conn: Connection, claimed: Collection[Key]) -> bool:
        """Has another process of our name taken one of the partitions that we claimed?

        An owner is "NAME#TOKEN", and the token is the process's own.
        """
        name = self._owner.partition("#")[0]
        return any(
            owner != self._owner and owner.partition("#")[0] == name
            for topic, part, owner in conn.execute(_SQL.owners, self._ids)
            if (topic, part) in claimed
        )

    def standing(self, conn: Connection) -> set[Key]:
        """The partitions that stand halted now."""
        return {(topic, part) for topic, part in conn.execute(_SQL.standing, self._ids)}

    def _start_over(self, conn: Connection, seen: Found, reason: str) -> int:
        where = {**self._ids, "topic": seen.topic, "partition": seen.part}
        conn.execute(_SQL.archive, {**where, "reason": reason})
        row = conn.execute(_SQL.restart, {**where, "topic_id": seen.topic_id, "low": seen.low}).fetchone()
        assert row is not None
        return int(row[0])

    def _set_halted(self, conn: Connection, topic: str, part: int, why: str) -> None:
        conn.execute(_SQL.halt, {**self._ids, "topic": topic, "partition": part, "why": why})


def end_blockers(conn: Connection, backend_pid: int) -> int:
    """End the backends of etld that block `backend_pid`; how many. Others' locks are left alone."""
    rows = conn.execute(_SQL.blockers, {"pid": backend_pid}).fetchall()
    for (pid,) in rows:
        log.warning("ended PostgreSQL backend %d: its client froze inside a transaction", pid)
    return len(rows)


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A halted partition that goes on from the first offset that is kept; `lost` offsets are given up.

    `low` is None for one that the topic no longer has: its position is in the history.
    """

    group: str
    topic: str
    part: int
    reason: str
    low: int | None
    lost: int


def give_up(
    conn: Connection,
    cluster_id: str,
    topic: str,
    part: int | None,
    found: Mapping[int, Found],
) -> list[GivenUp]:
    """Let halted partitions go on from their low watermark, and record what is given up.

    `found` maps the partition to what Kafka says now. Raises `EtldError` when none of them is halted.
    """
    done = []
    with conn.transaction():
        rows = conn.execute(
            _SQL.halted, {"cluster": cluster_id, "topic": topic, "partition": part, "there": list(found)}
        ).fetchall()
        if not rows:
            what = topic if part is None else f"{topic}:{part}"
            raise EtldError(f"{what} is not halted: nothing to resume from low")
        for group, name, number, topic_id, next_offset, reason in rows:
            where: dict[str, Any] = {"cluster": cluster_id, "group": group, "topic": name, "partition": number}
            seen = found.get(number)
            if seen is None:
                conn.execute(_SQL.archive, {**where, "reason": RECREATED})
                conn.execute(_SQL.forget, where)
                done.append(GivenUp(group, name, number, RECREATED, None, 0))
                continue
            lost = 0
            if reason == OFFSET_LOST and topic_id == seen.topic_id:
                lost = max(0, seen.low - next_offset)
                conn.execute(_SQL.archive, {**where, "reason": "lost"})
                conn.execute(_SQL.skip_lost, {**where, "low": seen.low})
            else:
                conn.execute(_SQL.archive, {**where, "reason": reason})
                conn.execute(_SQL.restart, {**where, "topic_id": seen.topic_id, "low": seen.low})
            done.append(GivenUp(group, name, number, reason, seen.low, lost))
    return done


def _trouble(seen: Found, topic_id: str, next_offset: int, *, in_memory: bool) -> str | None:
    if topic_id != seen.topic_id:
        return RECREATED
    if next_offset < seen.low:
        return OFFSET_LOST
    # The in-memory broker tells a wrong end of the log.
    if next_offset > seen.high and not in_memory:
        return OFFSET_BEYOND
    return None


def _explain(reason: str, seen: Found, next_offset: int) -> str:
    where = f"{seen.topic}:{seen.part}"
    way_out = f"`etld resume processor --from low {where}` goes on at offset {seen.low} and records what is given up"
    if reason == RECREATED:
        return f"topic {seen.topic} was deleted and made anew (its id changed): {way_out}"
    if reason == OFFSET_LOST:
        lost = seen.low - next_offset
        return f"{where}: retention deleted {lost} records before they were read ({next_offset} to {seen.low - 1}): {way_out}"
    return f"{where}: the next offset is {next_offset}, and the log ends at {seen.high}: Kafka lost records; {way_out}"


def _columns(tallies: Iterable[Tally]) -> dict[str, list[int]]:
    items = list(tallies)
    return {
        "stored": [t.stored for t in items],
        "duplicate": [t.duplicate for t in items],
        "filtered": [t.filtered for t in items],
        "dead": [t.dead for t in items],
    }


def _totals(rows: Iterable[Sequence[Any]]) -> dict[Key, dict[str, int]]:
    return {
        (topic, part): {"stored": stored, "duplicate": duplicate, "filtered": filtered, "dead": dead}
        for topic, part, stored, duplicate, filtered, dead in rows
    }
