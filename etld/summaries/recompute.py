"""Is a summary's table what the same query over processed_events gives, to the last digit, with what expired?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.postgres import statements
from etld.postgres.compose import SQL, Identifier, Literal
from etld.postgres.snapshot import snapshot
from etld.summaries import expired_totals, table_sql

if TYPE_CHECKING:
    from etld.postgres.connections import Connection
    from etld.summaries.model import Summary

_SQL = statements.load(__package__, "tables")
# More differences of one summary than this are not named one by one.
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one summary's table and the recompute do not share, in sentences."""

    name: str
    differences: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Do they share everything?"""
        return not self.differences


def compare(conn: Connection, summary: Summary, dedup_window: float = 604_800.0) -> Comparison:
    """Compare in one snapshot; meaningful once processors and aggregator have read all there is.

    A difference in a bucket older than `dedup_window` seconds is named as such: a retry that came after the window is
    counted again, while processed_events still knows its id.
    """
    with snapshot(conn):
        conn.execute("SET LOCAL statement_timeout = 0")
        known = {name: (definition, state, there) for name, definition, state, there in conn.execute(_SQL.known)}
        definition, state, there = known.get(summary.name, (None, "", False))
        if not there or definition != summary.definition():
            found = [f"etld.{summary.table} is not made as the config says: is the aggregator running?"]
        elif state == "backfill":
            found = [f"etld.{summary.table} is still being filled from processed_events"]
        else:
            found = _differences(conn, summary, dedup_window)
    return Comparison(summary.name, tuple(found))


def _differences(conn: Connection, summary: Summary, dedup_window: float) -> list[str]:
    size = len(summary.key)
    found = []
    again = expired_totals.added_to(conn, summary, table_sql.recompute(summary))
    query = table_sql.difference(summary, again, _SHOWN + 1)
    old = SQL("SELECT d.*, d.{} < now() - make_interval(secs => {}) FROM ({}) d ({})").format(
        Identifier("c0"),
        Literal(dedup_window),
        query,
        SQL(", ").join(Identifier(f"c{i}") for i in range(size + 4)),
    )
    for row in conn.execute(old):
        key = ", ".join(f"{name} {value}" for name, value in zip(summary.key, row[:size], strict=True))
        kept, recomputed, missing, extra, is_old = row[size : size + 5]
        if missing:
            text = "has no row, and processed_events has events for it"
        elif extra:
            text = "has a row, and processed_events has no events for it"
        else:
            names = [name for name, _ in summary.kept]
            text = "; ".join(
                f"{name} is {one}, recomputed {other}"
                for name, one, other in zip(names, kept, recomputed, strict=True)
                if one != other
            )
        note_old = " (older than aggregator.dedup_window)" if is_old else ""
        found.append(f"etld.{summary.table}, {key}: {text}{note_old}")
    if len(found) > _SHOWN:
        found[_SHOWN:] = ["… and more"]
    return found
