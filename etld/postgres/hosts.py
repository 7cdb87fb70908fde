"""The hosts of one database: what each daemon's row tells of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from etld.postgres import lease, statements
from etld.postgres.node_lease import STALE
from etld.util.text import span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "hosts")
#: A host that runs one of these beats: they have a connection to the database.
WATCHED = ("processor", "aggregator", "corrector", "lake")
#: Seconds of silence after which a host is told to be away, after which it counts as gone for good, and its row goes.
AWAY, _GONE, _TIDIED = STALE, 3600.0, 7 * 86_400.0
_UNWATCHED_TIDIED = 90 * 86_400.0


@dataclass(frozen=True, slots=True)
class Host:
    """One daemon.

    `state`: what it says of itself; "away" when it is silent, "stopped" after `etld stop`, "not watched" for one that
    only takes events, and so has no connection to the database once it has started. `seen_s`: seconds since it was last
    heard of. `partitions`: how many it has claimed, of all groups. `lag`: records that wait for it; None: not known.
    """

    cluster_id: str
    node: str
    place: str
    version: str
    state: str
    roles: Sequence[str]
    seen_s: float
    partitions: int
    lag: int | None
    workers: Sequence[Mapping[str, Any]]
    faults: Sequence[str]
    leases: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def read(conn: Connection) -> list[Host]:
    """All that the database knows of, by name."""
    held: dict[str, list[str]] = {}
    for name, node, _ in lease.holders(conn):
        held.setdefault(node, []).append(name)
    return [_host(row, held) for row in conn.execute(_SQL.hosts).fetchall()]


def _host(row: Sequence[Any], held: Mapping[str, Sequence[str]]) -> Host:
    cluster, node, place, version, roles, report, seen, left, partitions = row
    report = report or {}
    if left:
        state, report = "stopped", {}
    elif roles and not set(roles) & set(WATCHED):
        state = "not watched"
    elif seen > AWAY:
        state = "away"
    else:
        state = str(report.get("state", "starting"))
    workers = report.get("workers", ())
    lags = [one["lag"] for one in workers if one["lag"] is not None]
    return Host(
        cluster, node, place, version, state, roles, round(seen, 1), 0 if left else partitions,
        sum(lags) if lags and state not in ("away", "stopped") else None, workers, report.get("faults", ()),
        held.get(node, ()),
    )  # fmt: skip


def away(conn: Connection, cluster_id: str) -> str | None:
    """Which hosts are silent, in words; None when none is. Rows of those that are gone for good are removed."""
    given = {"cluster": cluster_id, "watched": list(WATCHED)}
    conn.execute(_SQL.tidy, {**given, "most": _TIDIED, "unwatched": _UNWATCHED_TIDIED})
    rows = conn.execute(_SQL.away, {**given, "least": AWAY, "most": _GONE}).fetchall()
    told = [f"host {node} ({place}) was last heard of {span(seconds)} ago" for node, place, seconds in rows]
    return "; ".join(told) or None
