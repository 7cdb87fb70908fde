"""The tables of what expired events had in the summaries: see `etld.summaries.expired`, which fills them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from etld.postgres import statements
from etld.postgres.compose import SQL, Composable, Jsonb
from etld.summaries import table_sql
from etld.summaries.model import EventField, Measure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.postgres.connections import Connection
    from etld.summaries.model import Summary

log = logging.getLogger("etld.postgres")
_SQL = statements.load(__package__, "expired")


def add(conn: Connection, summary: Summary, query: Composable) -> None:
    """Add the rows of a recompute; the table is made if it is missing."""
    wanted, table = summary.definition(), table_sql.expired(summary)
    if _definition(conn, summary.name) != wanted:
        conn.execute(SQL("DROP TABLE IF EXISTS {}").format(table))
        conn.execute(table_sql.create(summary, table))
        conn.execute(_SQL.note, {"name": summary.name, "definition": Jsonb(wanted)})
    conn.execute(table_sql.insert(summary, query, table))


def fit(conn: Connection, summary: Summary) -> None:
    """What was kept for a summary whose table is made anew: it stays where only measures differ, else it goes."""
    kept = _definition(conn, summary.name)
    wanted = summary.definition()
    if kept is None or kept == wanted:
        return
    there, table = _measures(kept), table_sql.expired(summary)
    new = {measure.name: measure for measure in summary.measures}
    changed = any(there[name] != new[name] for name in there.keys() & new.keys())
    if changed or {**kept, "measures": []} != {**wanted, "measures": []}:
        conn.execute(SQL("DROP TABLE {}").format(table))
        conn.execute(_SQL.forget, {"name": summary.name})
        log.warning("summary %s is another now: what expired before is no part of it any more", summary.name)
        return
    if gone := [there[name] for name in there.keys() - new.keys()]:
        conn.execute(table_sql.drop_measures(table, gone))
    if more := [measure for name, measure in new.items() if name not in there]:
        conn.execute(table_sql.add_measures(table, more))
    conn.execute(_SQL.note, {"name": summary.name, "definition": Jsonb(wanted)})


def added_to(conn: Connection, summary: Summary, query: Composable) -> Composable:
    """A recompute of a summary, with what expired events had in it."""
    if _definition(conn, summary.name) != summary.definition():
        return query
    both = SQL("{} UNION ALL SELECT {} FROM {}").format(query, table_sql.columns(summary), table_sql.expired(summary))
    return table_sql.combined(summary, both)


def _definition(conn: Connection, name: str) -> Mapping[str, Any] | None:
    """What the totals of a summary were made from; None when it has none."""
    row = conn.execute(_SQL.definition, {"name": name}).fetchone()
    return row[0] if row else None


def _measures(definition: Mapping[str, Any]) -> dict[str, Measure]:
    return {
        name: Measure(name, function, EventField(tuple(path.split(".")), kind) if path else None)
        for name, function, path, kind in definition["measures"]
    }
