"""A table without partitions becomes a partitioned one, whose first partition it is: no row is copied.

Two steps. A CHECK that every row was accepted before a moment close ahead, or nobody knows when, is added and found to
hold, while all go on to read and write. Then, in one short transaction, a partitioned table takes its place with all
that others made of it, and it becomes the partition of what has no accepted_at, or an earlier one. An empty table is
replaced. What cannot be taken over stays as it is, and works on.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from etld.postgres import statements
from etld.postgres.compose import SQL, Composable, Identifier, Literal
from etld.postgres.errors import LOCK_NOT_AVAILABLE, DatabaseError, classify, sqlstate
from etld.sinks.postgres.partitions import catalog, periods
from etld.sinks.postgres.partitions.catalog import PARENT, EventPartition
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.postgres.connections import Connection
    from etld.sinks.postgres.partitions.periods import Length

log = logging.getLogger("etld.postgres")
_SQL = statements.load(__package__, "takeover")
_CATALOG = statements.load(__package__, "catalog")
#: What the table of before is called, in schema etld.
BEFORE: Final = "processed_events_before"
#: Its CHECK, which keeps out what belongs to another partition.
BOUND: Final = "processed_events_taken_over"
# So far ahead is the end of what the old table takes: the CHECK is found to hold before that.
_AHEAD, _PAGES_A_SECOND = timedelta(seconds=30), 2500
_TABLE = SQL(PARENT)
_OLD = Identifier("etld", BEFORE)
_TRIES, _PAUSE = 60, 0.5


class _InTheWay(Exception):
    """Something of the table forbids it."""


@dataclass(frozen=True, slots=True)
class _Looks:
    """What others made of the table, as statements that make the same of the next one."""

    views: list[str]
    identities: list[tuple[str, int]]
    serials: list[tuple[str, str]]
    triggers: list[tuple[str, str, str | None, str | None]]
    indexes: list[tuple[str, str, str | None]]
    foreign_keys: list[tuple[str, str]]
    grants: list[str]
    comment: str | None
    owner: str
    mine: bool


def ensure(conn: Connection, length: Length | None, waiting: Callable[[float], object] = time.sleep) -> str | None:
    """Partition the table unless it is, and make leaves ahead; why the table stays as it is, if so.

    None for `length`: no partitions are wanted. `waiting(seconds)` is called between two tries to get a lock. Raises
    the errors of a database that is away.
    """
    now = datetime.now(UTC)
    if not catalog.is_partitioned(conn):
        reason = _take_over(conn, length, waiting) if length is not None else None
        with conn.transaction():
            if reason is None:
                conn.execute(_CATALOG.admit)
            else:
                conn.execute(_CATALOG.refuse, {"reason": reason})
        if reason is not None or length is None:
            _give_up(conn)
            return reason
        log.info("processed_events has partitions now, one a %s", length)
    _patiently(lambda: catalog.make_ahead(conn, length or "month", now), waiting)
    return None


def _take_over(conn: Connection, length: Length, waiting: Callable[[float], object]) -> str | None:
    try:
        _refuse_obstacles(conn)
        if not _is_empty(conn):
            _patiently(lambda: _announce(conn), waiting)
            with conn.transaction():
                conn.execute(_SQL.no_limit)
                conn.execute(_SQL.validate)
        _patiently(lambda: _exchange(conn, length), waiting)
    except _InTheWay as error:
        return str(error)
    except DatabaseError as error:
        if classify(error) == "retry" and sqlstate(error) != LOCK_NOT_AVAILABLE:
            raise
        return f"PostgreSQL says: {one_line(error)}"
    return None


def _patiently(step: Callable[[], Any], waiting: Callable[[float], object]) -> None:
    """Try again while somebody holds a lock: who wants to read or write must not wait behind us for long."""
    for left in range(_TRIES, -1, -1):
        try:
            step()
        except DatabaseError as error:
            if sqlstate(error) != LOCK_NOT_AVAILABLE or not left:
                raise
            waiting(_PAUSE)
        else:
            return


def _refuse_obstacles(conn: Connection) -> None:
    found = [text for (text,) in conn.execute(_SQL.obstacles)]
    found += [f"it has the exclusion constraint {name}" for (name,) in conn.execute(_SQL.exclusions)]
    if found:
        raise _InTheWay("; ".join(sorted(found)))


def _is_empty(conn: Connection) -> bool:
    row = conn.execute(_SQL.empty).fetchone()
    return row is not None and bool(row[0])


def _bound(conn: Connection) -> tuple[datetime, bool] | None:
    row = conn.execute(_SQL.bound).fetchone()
    return None if row is None else (row[0], row[1])


def _announce(conn: Connection) -> None:
    """Add the CHECK, or renew one that a takeover left which did not come to its end."""
    with conn.transaction():
        conn.execute(_SQL.patience)
        (pages,) = conn.execute(_SQL.pages).fetchone() or (0,)
        bound = datetime.now(UTC) + _AHEAD + timedelta(seconds=pages / _PAGES_A_SECOND)
        conn.execute(_SQL.drop_bound)
        conn.execute(
            SQL("ALTER TABLE {} ADD CONSTRAINT {} CHECK (accepted_at IS NULL OR accepted_at < {}) NOT VALID").format(
                _TABLE, Identifier(BOUND), Literal(bound.replace(microsecond=0))
            )
        )


def _give_up(conn: Connection) -> None:
    """Take back the CHECK of a takeover that was begun: it would keep out what comes later."""
    if not catalog.is_partitioned(conn) and _bound(conn) is not None:
        _patiently(lambda: _without_bound(conn), time.sleep)


def _without_bound(conn: Connection) -> None:
    with conn.transaction():
        conn.execute(_SQL.patience)
        conn.execute(_SQL.drop_bound)


def _exchange(conn: Connection, length: Length) -> None:
    with conn.transaction():
        conn.execute(_CATALOG.lock)
        if catalog.is_partitioned(conn):
            return  # another daemon has done it
        conn.execute(_SQL.patience)
        conn.execute(_SQL.lock_table)
        _refuse_obstacles(conn)
        empty, bound = _is_empty(conn), _bound(conn)
        if not empty and (bound is None or not bound[1]):
            raise _InTheWay("rows came while it was looked at; it is tried again at the next start")
        looks = _looks(conn)
        _move_away(conn, looks)
        _parent(conn, looks)
        now = datetime.now(UTC)
        if empty:
            name = periods.name(periods.floor(length, now))
            catalog.make(conn, None, periods.after(length, now), BEFORE, name)
        else:
            assert bound is not None
            conn.execute(SQL("ALTER TABLE {} ATTACH PARTITION {} DEFAULT").format(_TABLE, _OLD))
            catalog.note(conn, EventPartition(BEFORE, None, bound[0], now), version=1)
        for view in looks.views:
            conn.execute(SQL(view))
        if empty:
            conn.execute(SQL("DROP TABLE {}").format(_OLD))


def _looks(conn: Connection) -> _Looks:
    conn.execute(_SQL.names_in_full)
    (comment,) = conn.execute(_SQL.table_comment).fetchone() or (None,)
    owner, mine = conn.execute(_SQL.whose).fetchone() or ("", True)
    grants = conn.execute(_CATALOG.grants, {"table": PARENT, "to": PARENT}).fetchall()
    grants += conn.execute(_SQL.column_grants).fetchall()
    return _Looks(
        [row[0] for row in conn.execute(_SQL.views)],
        conn.execute(_SQL.identities).fetchall(),
        conn.execute(_SQL.serials).fetchall(),
        conn.execute(_SQL.triggers).fetchall(),
        conn.execute(_SQL.indexes).fetchall(),
        conn.execute(_SQL.foreign_keys).fetchall(),
        [row[0] for row in grants],
        comment,
        owner,
        mine,
    )


def _move_away(conn: Connection, looks: _Looks) -> None:
    for trigger, *_ in looks.triggers:
        conn.execute(SQL("DROP TRIGGER {} ON {}").format(Identifier(trigger), _TABLE))
    for column, _ in looks.identities:
        conn.execute(SQL("ALTER TABLE {} ALTER {} DROP IDENTITY").format(_TABLE, Identifier(column)))
    conn.execute(SQL("ALTER TABLE {} RENAME TO {}").format(_TABLE, Identifier(BEFORE)))
    conn.execute(SQL("ALTER TABLE public.{} SET SCHEMA etld").format(Identifier(BEFORE)))


def _parent(conn: Connection, looks: _Looks) -> None:
    """The partitioned table, with all that others made of the one before."""
    run = conn.execute
    run(
        SQL(
            "CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY)"
            " PARTITION BY RANGE (accepted_at)"
        ).format(_TABLE, _OLD)
    )
    # That one is the old table's own.
    run(SQL("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}").format(_TABLE, Identifier(BOUND)))
    for column, start in looks.identities:
        _number(conn, column, start)
    for column, sequence in looks.serials:
        run(SQL("ALTER SEQUENCE {} OWNED BY {}.{}").format(SQL(sequence), _TABLE, Identifier(column)))
    for name, definition in looks.foreign_keys:
        run(SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(_TABLE, Identifier(name), SQL(definition)))
    for definition, name, comment in looks.indexes:
        run(SQL(definition))
        _comment(conn, SQL("INDEX public.{}").format(Identifier(name)), comment)
    for name, definition, state, comment in looks.triggers:
        run(SQL(definition))
        if state is not None:
            run(SQL("ALTER TABLE {} {} TRIGGER {}").format(_TABLE, SQL(state), Identifier(name)))
        _comment(conn, SQL("TRIGGER {} ON {}").format(Identifier(name), _TABLE), comment)
    _comment(conn, SQL("TABLE {}").format(_TABLE), looks.comment)
    for grant in looks.grants:
        run(SQL(grant))
    for (grant,) in run(_SQL.inserters).fetchall():
        run(SQL(grant))
    if not looks.mine:
        run(SQL("ALTER TABLE {} OWNER TO {}").format(_TABLE, Identifier(looks.owner)))


def _number(conn: Connection, column: str, start: int) -> None:
    """Number the rows on: below PostgreSQL 17 a partitioned table has no identity columns."""
    sequence = Identifier("public", f"processed_events_{column}_seq")
    conn.execute(
        SQL("CREATE SEQUENCE {} START {} OWNED BY {}.{}").format(sequence, Literal(start), _TABLE, Identifier(column))
    )
    conn.execute(
        SQL("ALTER TABLE {} ALTER {} SET DEFAULT nextval({})").format(
            _TABLE, Identifier(column), Literal(f'public."processed_events_{column}_seq"')
        )
    )


def _comment(conn: Connection, what: Composable, text: str | None) -> None:
    if text is not None:
        conn.execute(SQL("COMMENT ON {} IS {}").format(what, Literal(text)))
