"""The tables of the summaries: made as the configuration says, and added to.

A summary whose table cannot be made now (a view hangs on it, somebody holds a lock on it) is held back: nothing is
added to its table, the others go on, and it is tried again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etld.errors import EtldError
from etld.postgres import grants, statements
from etld.postgres.compose import SQL, Composed, Jsonb
from etld.postgres.errors import LOCK_NOT_AVAILABLE, DatabaseError, classify, sqlstate
from etld.sinks.postgres.unwrap import connection_of, cursor_of
from etld.summaries import expired_totals, table_comments, table_sql
from etld.summaries.backfill import hold_positions, note_cut
from etld.summaries.model import measures_to_add
from etld.util.text import one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from etld.postgres.connections import Connection, Cursor
    from etld.sinks.base import SideConnection, Transaction
    from etld.summaries.backfill import CountedStream
    from etld.summaries.model import Summary

log = logging.getLogger("etld.postgres")
_SQL = statements.load(__package__, "tables")
_LONGEST_QUERY = 60


class DefinitionsChanged(EtldError):
    """Another aggregator works with other summaries than this one."""

    code = "ETLD-M003"


@dataclass(frozen=True, slots=True)
class TableState:
    """What a summary's table was made from, None for nothing, and whether it is there."""

    definition: Mapping[str, Any] | None
    there: bool


_NOTHING = TableState(None, there=False)


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A summary whose table is not as it should be: what it was when that was tried, and why it stays so."""

    summary: Summary
    found: TableState
    reason: str


@dataclass(frozen=True, slots=True)
class Synced:
    """The summaries whose tables were made and are to be filled, and those that are held back, by name."""

    made: list[str] = field(default_factory=list)
    held_back: dict[str, HeldBack] = field(default_factory=dict)


def sync(side: SideConnection, stream: CountedStream, summaries: Sequence[Summary]) -> Synced:
    """Make the tables of new and changed summaries, empty, each in a transaction of its own.

    Positions of the group stand still meanwhile, so that each table knows exactly which events it will be
    told of, and which are to be filled in from processed_events. The table of a summary that is gone from the
    config stays as it is, and is made anew should it return. Raises psycopg errors of the kind that passes.
    """
    conn = connection_of(side)
    wanted = {summary.name for summary in summaries}
    with conn.transaction():
        conn.execute(_SQL.lock)
        known = states(conn)
        gone = [name for name in known if name not in wanted]
        if gone:
            hold_positions(conn, stream)
        for name in gone:
            conn.execute(_SQL.forget, {"name": name})
    for name in gone:
        log.info("summary %s is gone from the config; its table etld.summary_%s stays as it is", name, name)
    return _make_all(conn, stream, {summary: known.get(summary.name, _NOTHING) for summary in summaries})


def retry(side: SideConnection, stream: CountedStream, held_back: Mapping[str, HeldBack]) -> Synced:
    """Try again what was held back; left out is what another aggregator has made or changed since."""
    conn = connection_of(side)
    now = states(conn)
    same = {one.summary: one.found for one in held_back.values() if now.get(one.summary.name, _NOTHING) == one.found}
    return _make_all(conn, stream, same)


def rebuild(conn: Connection, stream: CountedStream, summary: Summary) -> None:
    """Empty a summary's table, for the aggregator to fill it anew; raises `EtldError` when that is not its table."""
    found = states(conn).get(summary.name)
    if found != TableState(summary.definition(), there=True):
        raise EtldError(
            f"etld.{summary.table} is not made as the configuration says: the aggregator makes it when it starts,"
            " so `etld reload`",
            code="ETLD-M007",
        )
    reason = _make(conn, stream, summary, found)
    if reason is not None:
        raise EtldError(f"summary {summary.name} cannot be filled anew: {reason}", code="ETLD-M007")


def states(conn: Connection | Cursor) -> dict[str, TableState]:
    """What the database knows of each summary, by name."""
    return {name: TableState(definition, there) for name, definition, _, there in conn.execute(_SQL.known)}


def ready(conn: Connection, summaries: Sequence[Summary]) -> list[Summary]:
    """Those of these summaries whose tables are made as the configuration says."""
    now = states(conn)
    return [summary for summary in summaries if now.get(summary.name) == TableState(summary.definition(), there=True)]


def verify(
    transaction: Transaction, wanted: Mapping[str, Mapping[str, Any]], held_back: Mapping[str, HeldBack]
) -> set[str]:
    """The summaries to add to, of those that every aggregator keeps. In a batch's transaction, after its fence.

    `wanted` maps a name to its definition. Raises `DefinitionsChanged`: what is written now would be missing in a
    table made since.
    """
    now = states(cursor_of(transaction))
    to_add = {name for name, definition in wanted.items() if name in now and now[name].definition == definition}
    for name in now.keys() | wanted.keys():
        held = held_back.get(name)
        if held is not None and now.get(name, _NOTHING) == held.found:
            to_add.discard(name)
        elif name not in to_add:
            raise DefinitionsChanged(
                "another aggregator has changed the summaries since this one started: nothing is counted until"
                " `etld restart aggregator`, or until all daemons of this database have the same [summaries]"
            )
    return to_add


def add(transaction: Transaction, summary: Summary, columns: Sequence[Sequence[Any]]) -> None:
    """Add rows to a summary's table: bucket days and seconds since 1970, groups, kept measures."""
    cursor_of(transaction).execute(table_sql.upsert(summary), [list(column) for column in columns])


def waiting(conn: Connection) -> dict[str, Any]:
    """The definitions of the summaries whose older events are not filled in yet, by name."""
    return dict(conn.execute(_SQL.waiting).fetchall())


def any_waiting(side: SideConnection, definitions: Mapping[str, Any]) -> bool:
    """Is one of these summaries, by name, to be filled?"""
    found = waiting(connection_of(side))
    return any(found.get(name) == definition for name, definition in definitions.items())


def _make_all(conn: Connection, stream: CountedStream, tables: Mapping[Summary, TableState]) -> Synced:
    synced = Synced()
    for summary, found in tables.items():
        if found == TableState(summary.definition(), there=True):
            continue
        reason = _make(conn, stream, summary, found)
        if reason is None:
            synced.made.append(summary.name)
        else:
            synced.held_back[summary.name] = HeldBack(summary, found, reason)
    return synced


def _make(conn: Connection, stream: CountedStream, summary: Summary, found: TableState) -> str | None:
    """Make a table, or empty the one that is there when it has the right columns; why that cannot be, if so."""
    try:
        if found.there:
            # First alone: a lock that somebody keeps is found out without the positions, so the stream goes on.
            with conn.transaction():
                conn.execute(_SQL.hurry)
                conn.execute(SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(table_sql.table(summary)))
        with conn.transaction():
            conn.execute(_SQL.lock)
            if states(conn).get(summary.name, _NOTHING) != found:
                return None  # another aggregator has made it, or made it something else, which `verify` tells
            if found.definition is None and conn.execute(_SQL.not_ours, _named(summary)).fetchone() == (True,):
                return (
                    f"etld.{summary.table} is there, and etld did not make it: rename it, or call the summary otherwise"
                )
            # A zone that PostgreSQL does not know is told here rather than in every batch.
            conn.execute("SELECT now() AT TIME ZONE %s", (summary.zone,))
            hold_positions(conn, stream)
            cut = note_cut(conn, stream)
            # Who wants to read the table waits behind us.
            conn.execute(_SQL.hurry)
            with grants.kept(conn, table_sql.table(summary).as_string(conn)):
                for statement in _statements(summary, found):
                    conn.execute(statement)
            expired_totals.fit(conn, summary)
            conn.execute(
                _SQL.note, {"name": summary.name, "definition": Jsonb(summary.definition()), "cut": Jsonb(cut)}
            )
    except DatabaseError as error:
        if sqlstate(error) == LOCK_NOT_AVAILABLE:
            return _who_holds(conn, summary)
        if classify(error) == "retry":
            raise
        return _why(error)
    return None


def _statements(summary: Summary, found: TableState) -> Iterator[Composed]:
    """What makes of the table that is there an empty one with the columns of the summary.

    A table whose columns stay is kept, and with it what others made of it: grants, comments, indexes, views.
    """
    more = measures_to_add(found.definition, summary) if found.there and found.definition else None
    if more is None:
        yield SQL("DROP TABLE IF EXISTS {}").format(table_sql.table(summary))
        yield table_sql.create(summary, table_sql.table(summary))
        yield table_comments.of_table(summary)
        return
    yield SQL("TRUNCATE {}").format(table_sql.table(summary))
    if more:
        yield table_sql.add_measures(table_sql.table(summary), more)
        yield table_comments.of_measures(summary, more)


def _who_holds(conn: Connection, summary: Summary) -> str:
    holders = [
        f"{name or 'a client'} (pid {pid}, user {user}, in its transaction since {since}:"
        f" {shortened(one_line(query or '?'), _LONGEST_QUERY)})"
        for pid, user, name, since, query in conn.execute(_SQL.lock_holders, _named(summary))
    ]
    if not holders:
        return f"etld.{summary.table} or the positions of the aggregator were locked by somebody for too long"
    return f"etld.{summary.table} is locked by {' and '.join(holders)}"


def _named(summary: Summary) -> dict[str, str]:
    return {"table": f'etld."{summary.table}"'}


def _why(error: DatabaseError) -> str:
    detail = error.diag.message_detail
    return one_line(f"{error.diag.message_primary or error}{f' ({detail})' if detail else ''}")
