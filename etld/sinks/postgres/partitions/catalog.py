"""Which partitions there are, and making more of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from etld.postgres import statements
from etld.postgres.compose import SQL, Composable, Identifier, Literal
from etld.sinks.postgres.partitions import periods

if TYPE_CHECKING:
    from datetime import datetime

    from etld.postgres.connections import Connection
    from etld.sinks.postgres.partitions.periods import Length

_SQL = statements.load(__package__, "catalog")
#: The table that all write and read.
PARENT: Final = "public.processed_events"
#: What comes when its partition is gone, until it is removed too.
LATE: Final = "processed_events_late"
_PARTITIONED = "p"


@dataclass(frozen=True, slots=True)
class EventPartition:
    """A partition of processed_events, in schema etld: what was accepted from `lower` (None: ever) until `upper`.

    `taken_over_at`: it was the whole table until then, and its rows without accepted_at came before.
    """

    name: str
    lower: datetime | None
    upper: datetime
    taken_over_at: datetime | None = None

    @property
    def table(self) -> Identifier:
        """Its name in SQL."""
        return Identifier("etld", self.name)


def is_partitioned(conn: Connection) -> bool:
    """Has processed_events partitions?"""
    row = conn.execute(_SQL.kind).fetchone()
    return row is not None and row[0] in (_PARTITIONED, _PARTITIONED.encode())


def read(conn: Connection) -> list[EventPartition]:
    """The partitions, oldest first."""
    return [EventPartition(*row) for row in conn.execute(_SQL.all)]


def refusal(conn: Connection) -> str | None:
    """Why the table could not be partitioned, in words."""
    row = conn.execute(_SQL.refusal).fetchone()
    return None if row is None else str(row[0])


def make_ahead(conn: Connection, length: Length, now: datetime) -> list[EventPartition]:
    """Make the leaves that are missing for the time to come; those.

    One transaction each, which waits half a second for its locks at most: raises the database's errors, 55P03 when
    somebody holds one. Safe from several daemons at once, and behind a pooler.
    """
    made: list[EventPartition] = []
    there = read(conn)
    while there and (ends := list(periods.missing(length, there[-1].upper, now))):
        with conn.transaction():
            conn.execute(_SQL.lock)
            there = read(conn)
            if there[-1].upper < ends[0][1]:
                conn.execute(_SQL.hurry)
                made.append(make(conn, *ends[0], like=there[-1].name))
                there.append(made[-1])
    return made


def make(conn: Connection, lower: datetime | None, upper: datetime, like: str, name: str = "") -> EventPartition:
    """Make one leaf, in the caller's transaction; it gets the unique indexes that the leaf `like` has for itself."""
    assert lower is not None or name
    leaf = EventPartition(name or periods.name(lower or upper), lower, upper)
    # Made first and attached then, so that the parent's lock lets others read and write.
    conn.execute(
        SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES EXCLUDING STATISTICS)").format(
            leaf.table, SQL(PARENT)
        )
    )
    conn.execute(SQL("CREATE UNIQUE INDEX {} ON {} (event_id)").format(Identifier(f"{leaf.name}_event_id"), leaf.table))
    conn.execute(
        SQL("CREATE INDEX {} ON {} USING brin (accepted_at, triggered_at)").format(
            Identifier(f"{leaf.name}_times"), leaf.table
        )
    )
    table = f"etld.{like}"
    for (index,) in conn.execute(_SQL.own_indexes, {"table": table}).fetchall():
        conn.execute(SQL("CREATE UNIQUE INDEX ON {} {}").format(leaf.table, SQL(index)))
    for (grant,) in conn.execute(_SQL.grants, {"table": PARENT, "to": f"etld.{leaf.name}"}).fetchall():
        conn.execute(SQL(grant))
    own(conn, leaf.table)
    _attach(conn, leaf.table, lower, upper)
    note(conn, leaf)
    return leaf


def extend_past(conn: Connection, until: datetime) -> None:
    """What was accepted before `until`, and comes only now, goes to the partition LATE; in the caller's transaction.

    For when the oldest other one is dropped, under its lock: the late are few, and soon removed.
    """
    there = {leaf.name: leaf for leaf in read(conn)}
    if LATE not in there:
        make(conn, None, until, max(there), LATE)
        return
    table = there[LATE].table
    conn.execute(SQL("ALTER TABLE {} DETACH PARTITION {}").format(SQL(PARENT), table))
    conn.execute(_SQL.extend, {"name": LATE, "upper": until})
    _attach(conn, table, None, until)


def _attach(conn: Connection, table: Identifier, lower: datetime | None, upper: datetime) -> None:
    begin: Composable = SQL("MINVALUE") if lower is None else Literal(lower)
    conn.execute(
        SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
            SQL(PARENT), table, begin, Literal(upper)
        )
    )


def own(conn: Connection, table: Identifier) -> None:
    """Give a table the owner of the parent."""
    owner, mine = conn.execute(_SQL.owner, {"table": PARENT}).fetchone() or ("", True)
    if not mine:
        conn.execute(SQL("ALTER TABLE {} OWNER TO {}").format(table, Identifier(owner)))


def note(conn: Connection, leaf: EventPartition, version: int = 0) -> None:
    """Write a partition down."""
    conn.execute(
        _SQL.note,
        {
            "name": leaf.name,
            "lower": leaf.lower,
            "upper": leaf.upper,
            "taken_over_at": leaf.taken_over_at,
            "version": version,
        },
    )
