"""Which rows of processed_events are in the lake for sure, as PostgreSQL alone can tell.

Two things prove it. A partition of a topic that the lake has read without a hole, from before the record of the row to
behind it, in the one life that the topic has had. Or a backfill that came to its end, and looked at the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.postgres import statements
from etld.postgres.compose import SQL, Composable, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from etld.kafka.types import Offset
    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "holding")
_BACKFILL = statements.load(__package__, "backfill")
_COMMA = SQL(", ")
_OR = SQL(" OR ")
_ACCEPTED = SQL("coalesce(e.accepted_at, e.processed_at)")


@dataclass(frozen=True, slots=True)
class Span:
    """Records of a partition of an event type's topic that the lake has read: from `first` until before `next`."""

    event_type: str
    partition: int
    first: Offset
    next: Offset


@dataclass(frozen=True, slots=True)
class Filled:
    """Rows of an event type that a backfill has looked at: accepted since then, and stored before `until`."""

    event_type: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Lacking:
    """Rows of an event type that the lake may not have: how many, and since when the oldest was accepted.

    `unread` of them come as the lake reads on; the others only by a backfill.
    """

    event_type: str
    rows: int
    unread: int
    oldest: datetime

    @property
    def to_fill(self) -> bool:
        """Are there some that reading on does not bring?"""
        return self.rows > self.unread


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known at one moment."""

    spans: Sequence[Span] = ()
    filled: Sequence[Filled] = ()

    @property
    def has(self) -> Composable:
        """The rows `e` that are in the lake."""
        proofs = []
        if self.spans:
            proofs.append(self._in_span("e.kafka_offset >= s.first AND e.kafka_offset < s.next"))
        if self.filled:
            rows = [(one.event_type, one.since, one.until) for one in self.filled]
            proofs.append(
                SQL(
                    "EXISTS (SELECT FROM (VALUES {}) AS f (event_type, since, until)"
                    " WHERE f.event_type = e.event_type AND {} >= f.since AND e.processed_at < f.until)"
                ).format(_values(rows), _ACCEPTED)
            )
        return SQL("({})").format(_OR.join(proofs)) if proofs else SQL("false")

    @property
    def _unread(self) -> Composable:
        """The rows `e` that the lake comes to as it reads on."""
        return self._in_span("e.kafka_offset >= s.next") if self.spans else SQL("false")

    def lacking(self, conn: Connection, table: Composable) -> list[Lacking]:
        """What the lake may not have of a table like processed_events. Raises the database's errors."""
        query = SQL(
            "SELECT e.event_type, count(*), count(*) FILTER (WHERE {}), min({}) FROM {} e WHERE NOT {}"
            " GROUP BY 1 ORDER BY 1"
        )
        return [Lacking(*row) for row in conn.execute(query.format(self._unread, _ACCEPTED, table, self.has))]

    def lacks(self, conn: Connection, table: Composable, condition: Composable | None = None) -> bool:
        """Are there rows `e` of a table, which meet the condition, that the lake may not have?"""
        query = SQL("SELECT EXISTS (SELECT FROM {} e WHERE {} AND NOT {})")
        row = conn.execute(query.format(table, condition or SQL("true"), self.has)).fetchone()
        return row is None or bool(row[0])

    def _in_span(self, offsets: str) -> Composable:
        rows = [(one.event_type, one.partition, one.first, one.next) for one in self.spans]
        return SQL(
            "EXISTS (SELECT FROM (VALUES {}) AS s (event_type, partition, first, next)"
            " WHERE s.event_type = e.event_type AND s.partition = e.kafka_partition AND " + offsets + ")"
        ).format(_values(rows))


def read(conn: Connection, cluster_id: str) -> Proof:
    """What is proven now. Raises the database's errors."""
    spans = [Span(*row) for row in conn.execute(_SQL.spans, {"cluster": cluster_id})]
    return Proof(spans, [Filled(*row) for row in conn.execute(_BACKFILL.proven)])


def order(conn: Connection, lacking: Lacking, who: str) -> bool:
    """Have the lake filled with what it lacks, unless that is under way or was just done; was it ordered?"""
    given = {"event_type": lacking.event_type, "accepted_from": lacking.oldest, "who": who}
    return conn.execute(_BACKFILL.order_missing, given).rowcount > 0


def _values(rows: Sequence[tuple[object, ...]]) -> Composable:
    return _COMMA.join(SQL("({})").format(_COMMA.join(Literal(one) for one in row)) for row in rows)
