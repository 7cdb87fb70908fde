"""The tables of the summaries: made, added to, compared with a recompute, read for charts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from etld.errors import EtldError
from etld.postgres import statements
from etld.postgres.compose import SQL, Identifier, Jsonb, Literal
from etld.postgres.snapshot import snapshot
from etld.summaries import table_sql
from etld.summaries.backfill import note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.postgres.connections import Connection, Cursor
    from etld.summaries.model import Measure, Summary

log = logging.getLogger("etld.postgres")
_SQL = statements.load(__package__, "tables")
_SHOWN = 20


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
        cut = note(conn, cluster_id, group, list(topics)) if fresh else {}
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


def compare(conn: Connection, definitions: Sequence[Summary], dedup_window: float = 604_800.0) -> list[dict[str, Any]]:
    """Each summary against the same query over processed_events, to the last digit, in one snapshot.

    `[{"name", "equal", "differences": [sentence, …]}]`. Meaningful once processors and aggregator have read
    all there is. A difference in a bucket older than `dedup_window` seconds is named as such: a retry that
    came after the window is counted again, while processed_events still knows its id.
    """
    results = []
    with snapshot(conn):
        conn.execute("SET LOCAL statement_timeout = 0")
        known = {name: (definition, state, there) for name, definition, state, there in conn.execute(_SQL.known)}
        for summary in definitions:
            definition, state, there = known.get(summary.name, (None, "", False))
            if not there or definition != summary.definition():
                found = [f"etld.{summary.table} is not made as the config says: is the aggregator running?"]
            elif state == "backfill":
                found = [f"etld.{summary.table} is still being filled from processed_events"]
            else:
                found = _differences(conn, summary, dedup_window)
            results.append({"name": summary.name, "equal": not found, "differences": found})
    return results


def _differences(conn: Connection, summary: Summary, dedup_window: float) -> list[str]:
    size = len(summary.key)
    found = []
    query = table_sql.difference(summary, _SHOWN + 1)
    old = SQL("SELECT d.*, d.{} < now() - make_interval(secs => {}) FROM ({}) d ({})").format(
        Identifier("c0"),
        Literal(dedup_window),
        query,
        SQL(", ").join(Identifier(f"c{i}") for i in range(size + 4)),
    )
    for row in conn.execute(old):
        key = ", ".join(f"{name} {value}" for name, value in zip(summary.key, row[:size], strict=True))
        kept, again, missing, extra, is_old = row[size : size + 5]
        if missing:
            text = "has no row, and processed_events has events for it"
        elif extra:
            text = "has a row, and processed_events has no events for it"
        else:
            names = [name for name, _ in summary.kept]
            text = "; ".join(
                f"{name} is {one}, recomputed {other}"
                for name, one, other in zip(names, kept, again, strict=True)
                if one != other
            )
        note_old = " (older than aggregator.dedup_window)" if is_old else ""
        found.append(f"etld.{summary.table}, {key}: {text}{note_old}")
    if len(found) > _SHOWN:
        found[_SHOWN:] = ["… and more"]
    return found


# Sums are numeric, and may lie outside what PostgreSQL casts to double precision; Python's float() takes them.


def by_group(conn: Connection, summary: Summary, measure: Measure, by: str) -> list[tuple[str, float]]:
    """(group, measure over all buckets), for a chart; groups without a value are left out."""
    query = SQL("SELECT {by}::text, {total} FROM {table} GROUP BY {by} ORDER BY {by}").format(
        by=Identifier(by), total=table_sql.total(measure), table=table_sql.table(summary)
    )
    rows = conn.execute(query)
    return [("none" if name is None else name, float(value)) for name, value in rows if value is not None]


def by_time(conn: Connection, summary: Summary, measure: Measure, by: str) -> list[tuple[str, str, float]]:
    """(group, bucket start as ISO text, measure), in time order; all in one group when `by` is bucket_start."""
    group = SQL("''") if by == "bucket_start" else SQL("coalesce({}::text, 'none')").format(Identifier(by))
    query = SQL(
        "SELECT {group} AS g, to_char(bucket_start, 'YYYY-MM-DD\"T\"HH24:MI:SS'), {total}"
        " FROM {table} GROUP BY g, bucket_start ORDER BY bucket_start, g"
    ).format(group=group, total=table_sql.total(measure), table=table_sql.table(summary))
    return [(name, start, float(value)) for name, start, value in conn.execute(query) if value is not None]


def extent(conn: Connection, summary: Summary) -> tuple[str, str, int | None] | None:
    """(start of the first bucket, end of the last, events counted or None without a count); None when empty."""
    count = next((m.name for m in summary.measures if m.function == "count"), None)
    query = SQL(
        "SELECT to_char(min(bucket_start), 'YYYY-MM-DD HH24:MI'),"
        " to_char(max(bucket_start) + make_interval(secs => {}), 'YYYY-MM-DD HH24:MI'), {} FROM {}"
    ).format(
        Literal(summary.bucket),
        SQL("sum({})::bigint").format(Identifier(count)) if count else SQL("NULL::bigint"),
        table_sql.table(summary),
    )
    row = conn.execute(query).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1], row[2])
