"""The rows of etld.erasure, and the steps in which an erasure comes into force.

begun: dead letters of the subject are left out when they arrive, and so none is repaired and sent any more. reading:
the ends of all topics are noted; what lies before them is still stored and summed up, what lies behind them and was
accepted until now is not. active: everybody has passed these ends, and nothing that was accepted until then is stored
any more. done: what was stored is gone.

Processors and aggregator follow the same rule at each step, whichever of them is ahead, so that both know the same
events. A step is taken while no batch is written, and every batch learns of it in its own transaction.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.erasure.key import ErasureKeyProblem
from etld.postgres import statements
from etld.postgres.compose import Jsonb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from etld.erasure.key import ErasureKey
    from etld.erasure.subject import Subject
    from etld.postgres.connections import Connection, Cursor

_SQL = statements.load(__package__, "erasure")


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """What is on record of an erasure; `kafka_until`: when Kafka will have thrown its records away, None: never."""

    id: int
    fields: tuple[str, ...]
    subject: str
    state: str
    requested_by: str
    requested_at: datetime
    accepted_until: datetime
    events: int
    dead_letters: int
    kafka_until: datetime | None
    finished_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """The shape that programs rely on."""
        times = ("requested_at", "accepted_until", "kafka_until", "finished_at")
        found = {name: getattr(self, name) for name in times}
        return {
            "id": self.id,
            "fields": list(self.fields),
            "subject": self.subject,
            "state": self.state,
            "requested_by": self.requested_by,
            "events": self.events,
            "dead_letters": self.dead_letters,
            **{name: None if at is None else at.isoformat() for name, at in found.items()},
        }


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An erasure under way, the subject's hash, and until when it takes what was accepted."""

    id: int
    subject: bytes
    state: str
    accepted_until: datetime


def any_on_record(conn: Connection) -> bool:
    """Was anybody forgotten?"""
    return conn.execute(_SQL.foreign_key, {"fingerprint": ""}).fetchone() is not None


def check_key(conn: Connection, key: ErasureKey) -> None:
    """Raise `ErasureKeyProblem` when an erasure on record was made with another key."""
    row = conn.execute(_SQL.foreign_key, {"fingerprint": key.fingerprint}).fetchone()
    if row is not None:
        refuse(key, row[0])


def refuse(key: ErasureKey, fingerprint: str) -> None:
    """Say that it is the wrong key."""
    raise ErasureKeyProblem(
        f"erasures on record were made with another key (its fingerprint is {fingerprint}, and this one's is"
        f" {key.fingerprint}): put that key into storage.erasure_key_file, or nobody knows who was forgotten"
    )


def lock(conn: Connection) -> bool:
    """Is this session the only one that erases from now on?"""
    row = conn.execute(_SQL.lock).fetchone()
    return bool(row and row[0])


def unlock(conn: Connection) -> None:
    """Let others."""
    conn.execute(_SQL.unlock)


def begin(conn: Connection, subjects: Sequence[Subject], key: ErasureKey, who: str) -> list[Unfinished]:
    """An erasure for each subject; one that is under way goes on."""
    hashes = [key.hashed(one.fields, one.values) for one in subjects]
    with conn.transaction():
        conn.execute(
            _SQL.begin,
            {
                "fields": [_as_array(one.fields) for one in subjects],
                "subjects": hashes,
                "fingerprint": key.fingerprint,
                "who": who,
                "now": time.time(),
            },
        )
        _next_step(conn)
    return unfinished(conn, hashes)


def unfinished(conn: Connection, hashes: Sequence[bytes]) -> list[Unfinished]:
    """The erasures of some subjects that are under way."""
    return [Unfinished(*row) for row in conn.execute(_SQL.unfinished, {"subjects": list(hashes)})]


def read_on(conn: Connection, ids: Sequence[int], cluster_id: str, ends: Mapping[tuple[str, int], int]) -> None:
    """From begun to reading: what lies before these ends, by (topic id, partition), or was read already, is stored."""
    with conn.transaction():
        conn.execute(_SQL.hold)
        most = {place(*key): offset for key, offset in ends.items()}
        for _, _, topic_id, number, offset in conn.execute(_SQL.ends, {"cluster": cluster_id}):
            key = place(topic_id, number)
            most[key] = max(offset, most.get(key, 0))
        conn.execute(_SQL.read_on, {"ids": list(ids), "ends": Jsonb(most), "now": time.time()})
        _next_step(conn)


def read_until(conn: Connection, ids: Sequence[int]) -> dict[str, int]:
    """How far everybody has to read before these come into force, by `place`."""
    return dict(conn.execute(_SQL.read_until, {"ids": list(ids)}).fetchall())


def positions(conn: Connection, cluster_id: str) -> list[tuple[str, str, str, int, int]]:
    """How far everybody is: (consumer group, topic, topic id, partition, next offset)."""
    return list(conn.execute(_SQL.ends, {"cluster": cluster_id}).fetchall())


def activate(conn: Connection, ids: Sequence[int]) -> None:
    """From reading to active."""
    with conn.transaction():
        conn.execute(_SQL.hold)
        conn.execute(_SQL.activate, {"ids": list(ids)})
        _next_step(conn)


def count(cur: Cursor, of: Mapping[int, int], *, letters: bool) -> None:
    """Count what was erased, events or dead letters, by the id of the erasure; in the transaction of that."""
    zeros = [0] * len(of)
    counts = list(of.values())
    events, dead = (zeros, counts) if letters else (counts, zeros)
    cur.execute(_SQL.count, {"ids": list(of), "events": events, "dead_letters": dead})


def finish(conn: Connection, ids: Sequence[int], keeps: float | None) -> None:
    """From active to done; Kafka `keeps` records for so many seconds, None: for ever."""
    conn.execute(_SQL.finish, {"ids": list(ids), "keeps": keeps})


def receipts(conn: Connection, ids: Iterable[int]) -> list[ErasureReceipt]:
    """What is on record of erasures."""
    rows = conn.execute(_SQL.receipts, {"ids": list(ids)})
    return [ErasureReceipt(row[0], tuple(row[1]), *row[2:]) for row in rows]


def left_over(conn: Connection) -> tuple[int, str, float] | None:
    """The oldest erasure under way: its number, who asked, and how many seconds ago."""
    return conn.execute(_SQL.left_over).fetchone()


def rebuilt(conn: Connection) -> tuple[str, bool] | None:
    """An event type that has events outside of its table, and whether its rebuild is done; None: there is none."""
    return conn.execute(_SQL.rebuilds).fetchone()


def forgotten_letters(cur: Cursor, ids: Sequence[str]) -> set[str]:
    """Those of the dead letters that were erased."""
    return {row[0] for row in cur.execute(_SQL.forgotten_letters, {"ids": list(ids)})}


def restored(conn: Connection) -> list[tuple[int, tuple[str, ...], datetime]]:
    """Erasures whose subjects a restored backup may have brought back: number, fields, until when accepted."""
    return [(number, tuple(fields), until) for number, fields, until in conn.execute(_SQL.restored)]


def finish_restored(conn: Connection, ids: Sequence[int]) -> None:
    """They are gone again."""
    with conn.transaction():
        conn.execute(_SQL.finish_restored, {"ids": list(ids)})
        _next_step(conn)


def place(topic_id: str, number: int) -> str:
    """A partition in one life of its topic."""
    return f"{topic_id}:{number}"


def _next_step(conn: Connection) -> None:
    conn.execute(_SQL.hold)
    conn.execute(_SQL.next_step)


def _as_array(names: Sequence[str]) -> str:
    return "{" + ",".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names) + "}"
