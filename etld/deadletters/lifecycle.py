"""What becomes of dead letters after the decision: sent, parked, resolved, deleted, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.deadletters.letters import STATES
from etld.postgres import statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.postgres.connections import Connection, Cursor

_SQL = statements.load(__package__, "repository")


@dataclass(frozen=True, slots=True)
class RepairToSend:
    """A repair on its way; `attempt` is the one it belongs to."""

    id: str
    topic: str
    key: str
    value: bytes
    attempt: int


@dataclass(frozen=True, slots=True)
class ParkedLetter:
    """A letter on its way to parked_events."""

    id: str
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str]
    reason: str | None
    attempts: int


def take_repaired(cur: Cursor, limit: int, aside: Sequence[str] = ()) -> list[RepairToSend]:
    """The oldest repairs but those `aside` that wait to be sent; locked until the transaction ends."""
    rows = cur.execute(_SQL.take_repaired, {"limit": limit, "aside": list(aside)}).fetchall()
    return [RepairToSend(row[0], row[1], row[2], bytes(row[3]), row[4]) for row in rows]


def mark_resent(cur: Cursor, sent: Sequence[tuple[str, int, int]]) -> int:
    """(id, partition, offset) of repairs that Kafka acknowledged; how many were still waiting for it."""
    if not sent:
        return 0
    ids, partitions, offsets = map(list, zip(*sent, strict=True))
    return cur.execute(_SQL.mark_resent, {"id": ids, "partition": partitions, "offset": offsets}).rowcount


def under_way(conn: Connection, seconds: float) -> int:
    """How many repairs were sent within the last `seconds` and are not stored yet."""
    row = conn.execute(_SQL.under_way, {"seconds": seconds}).fetchone()
    return int(row[0]) if row else 0


def take_parked(cur: Cursor, limit: int, aside: Sequence[str] = ()) -> list[ParkedLetter]:
    """Parked letters but those `aside` that parked_events does not have yet; locked until the transaction ends."""
    rows = cur.execute(_SQL.take_parked, {"limit": limit, "aside": list(aside)}).fetchall()
    return [ParkedLetter(row[0], _bytes(row[1]), _bytes(row[2]), dict(row[3]), row[4], row[5]) for row in rows]


def mark_announced(cur: Cursor, ids: Sequence[str]) -> None:
    """parked_events has these letters."""
    if ids:
        cur.execute(_SQL.mark_announced, {"ids": ids})


@dataclass(frozen=True, slots=True)
class ResolvePage:
    """Where the look at resent letters has come to; the default is the beginning."""

    at: Any = "-infinity"
    id: str = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Resolved:
    """Of a page of resent letters, `seen` were looked at and `resolved` had arrived; `next` is the page after it."""

    seen: int
    resolved: int
    next: ResolvePage


def resolve(cur: Cursor, cluster: str, page: ResolvePage, limit: int, grace: float) -> Resolved:
    """Resolve what arrived of the next `limit` resent letters.

    A repair that is neither stored nor dead `grace` seconds after its processor was seen to have passed it
    was left out by a transform.
    """
    row = cur.execute(
        _SQL.resolve,
        {"cluster": cluster, "after_at": page.at, "after_id": page.id, "limit": limit, "grace": grace},
    ).fetchone()
    seen, last_at, last_id, resolved = row or (0, None, "", 0)
    return Resolved(seen, resolved, ResolvePage(last_at, last_id) if seen == limit else ResolvePage())


def waits_for(conn: Connection) -> list[int]:
    """The unknown schema ids that parked letters wait for."""
    return [row[0] for row in conn.execute(_SQL.waits_for)]


def revive(cur: Cursor, schema_ids: Sequence[int]) -> int:
    """Set letters that waited for one of these schema ids back to new; how many."""
    return cur.execute(_SQL.revive, {"schema_ids": list(schema_ids)}).rowcount if schema_ids else 0


def retire(cur: Cursor, keep: float, keep_parked: float | None, limit: int) -> int:
    """Delete up to `limit` resolved and as many discarded letters older than `keep` seconds; how many.

    Parked ones older than `keep_parked`, unless that is None, count as discarded from then on.
    """
    ends = {"resolved": keep, "discarded": keep}
    if keep_parked is not None:
        ends = {"parked": keep_parked} | {state: min(keep, keep_parked) for state in ends}
    return sum(
        cur.execute(_SQL.retire, {"state": state, "keep": seconds, "limit": limit}).rowcount
        for state, seconds in ends.items()
    )


def counts(conn: Connection) -> dict[tuple[str, bool], int]:
    """(state, had a repair) to number of letters, those deleted since included."""
    return {(row[0], row[1]): row[2] for row in conn.execute(_SQL.counts)}


def totals(counted: Mapping[tuple[str, bool], int]) -> dict[str, int]:
    """What the daemon's status says: all letters, those repaired and stored, and those parked at this moment."""
    return {
        "dead": sum(counted.values()),
        "repaired": counted.get(("resolved", True), 0),
        "parked": _of(counted, "parked"),
    }


def _of(counted: Mapping[tuple[str, bool], int], state: str) -> int:
    return sum(number for (name, _), number in counted.items() if name == state)


def by_state(counted: Mapping[tuple[str, bool], int]) -> dict[str, int]:
    """State to number of letters."""
    return {state: _of(counted, state) for state in STATES}


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
