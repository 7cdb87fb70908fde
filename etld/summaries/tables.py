"""The tables of the summaries: made as the configuration says, and added to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from etld.errors import EtldError
from etld.postgres import statements
from etld.postgres.compose import SQL, Jsonb
from etld.summaries import table_sql
from etld.summaries.backfill import note_cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.postgres.connections import Connection, Cursor
    from etld.summaries.model import Summary

log = logging.getLogger("etld.postgres")
_SQL = statements.load(__package__, "tables")


class DefinitionsChanged(EtldError):
    """Another aggregator works with other summaries than this one."""


def sync(
    conn: Connection, cluster_id: str, group: str, summaries: Sequence[Summary], topics: Mapping[str, str]
) -> list[str]:
    """Make the tables of new and changed summaries, empty; the names of those.

    Positions of the group stand still meanwhile, so that each table knows exactly which events it will be
    told of, and which are to be filled in from processed_events. `topics` maps a topic to its event type.
    The table of a summary that is gone from the config stays as it is, and is made anew should it return.
    """
    wanted = {summary.name: summary for summary in summaries}
    with conn.transaction():
        conn.execute(_SQL.lock)
        known = {name: (definition, there) for name, definition, _, there in conn.execute(_SQL.known)}
        fresh = [s for s in summaries if known.get(s.name) != (s.definition(), True)]
        gone = [name for name in known if name not in wanted]
        if not fresh and not gone:
            return []
        conn.execute(_SQL.hold_positions, {"cluster": cluster_id, "group": group})
        for name in gone:
            conn.execute(_SQL.forget, {"name": name})
        cut = note_cut(conn, cluster_id, group, list(topics)) if fresh else {}
        for summary in fresh:
            conn.execute(SQL("DROP TABLE IF EXISTS {}").format(table_sql.table(summary)))
            conn.execute(table_sql.create(summary))
            conn.execute(
                _SQL.note, {"name": summary.name, "definition": Jsonb(summary.definition()), "cut": Jsonb(cut)}
            )
    for name in gone:
        log.info("summary %s is gone from the config; its table etld.summary_%s stays as it is", name, name)
    return [summary.name for summary in fresh]


def verify(cur: Cursor, summaries: Sequence[Summary]) -> None:
    """Are these the summaries that every aggregator keeps? In a batch's transaction, after its fence.

    Raises `DefinitionsChanged`: what is written now would be missing in a table made since.
    """
    now = {name: definition for name, definition, _, _ in cur.execute(_SQL.known)}
    if now != {summary.name: summary.definition() for summary in summaries}:
        raise DefinitionsChanged(
            "another aggregator has changed the summaries since this one started: nothing is counted until"
            " `etld restart aggregator`, or until all daemons of this database have the same [summaries]"
        )


def add(cur: Cursor, summary: Summary, columns: Sequence[Sequence[Any]]) -> None:
    """Add rows to a summary's table: bucket days and seconds since 1970, groups, kept measures."""
    cur.execute(table_sql.upsert(summary), [list(column) for column in columns])


def waiting(conn: Connection) -> list[str]:
    """The summaries whose older events are not filled in yet."""
    return [row[0] for row in conn.execute(_SQL.waiting)]
