"""The views etld.event_<type>: the events of a type with each field of its schema as a typed column.

They are for people and their tools; etld itself reads none of them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from etld.postgres import grants, statements
from etld.postgres.compose import SQL, Composable, Composed, Identifier, Jsonb, Literal
from etld.postgres.errors import LOCK_NOT_AVAILABLE, DatabaseError, classify, sqlstate
from etld.sinks.postgres import view_columns
from etld.sinks.postgres.view_columns import OF_EVERY_EVENT, ViewColumn, ViewColumns
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from etld.postgres.connections import Connection
    from etld.schemas.tree import Type

log = logging.getLogger("etld.setup")
_SQL = statements.load(__package__, "event_views")
_COMMA = SQL(", ")
# How a field of the details becomes a value of its type, or NULL: the functions are in a migration.
_READ = {
    "text": SQL("{details} ->> {field}"),
    "jsonb": SQL("{details} -> {field}"),
    "bigint": SQL("etld.as_bigint({details} -> {field})"),
    "double precision": SQL("etld.as_double({details} -> {field})"),
    "numeric": SQL("etld.as_numeric({details} -> {field})"),
    "boolean": SQL("etld.as_boolean({details} -> {field})"),
    "uuid": SQL("etld.as_uuid({details} ->> {field})"),
    "date": SQL("etld.as_date({details} -> {field})"),
    "time": SQL("etld.as_time({details} ->> {field})"),
    "timestamp": SQL("etld.as_timestamp({details} -> {field})"),
    "timestamptz": SQL("etld.as_timestamptz({details} -> {field})"),
}
_REPAIRED = SQL(
    "EXISTS (SELECT FROM etld.dead_letter d WHERE d.repair_key = e.event_id AND d.state = 'resolved') AS repaired"
)


def follow(conn: Connection, types: Iterable[tuple[str, Type]]) -> list[str]:
    """Make and change the views of these event types, by name and schema; why some are not as they should be.

    One that need not change is not touched, and each is done by itself. Raises psycopg errors of the kind that passes.
    """
    problems = []
    for event_type, top in types:
        try:
            with conn.transaction():
                conn.execute(_SQL.lock)
                _follow(conn, event_type, top)
        except DatabaseError as error:
            if classify(error) == "retry" and sqlstate(error) != LOCK_NOT_AVAILABLE:
                raise
            view = view_columns.view_name(event_type)
            problems.append(f"the view etld.{view} is not up to date ({_why(error)}): `etld restart setup` tries again")
    return problems


def _follow(conn: Connection, event_type: str, top: Type) -> None:
    name, there = _name(conn, event_type)
    row = conn.execute(_SQL.known, {"event_type": event_type, "name": name}).fetchone() if there else None
    known, script, current = row or ([], "", False)
    found = view_columns.columns_of(top, [ViewColumn.from_json(one) for one in known])
    wanted = _script(conn, name, event_type, top, found).as_string(conn)
    if current and wanted == script:
        return
    conn.execute(_SQL.hurry)
    with grants.kept(conn, Identifier("etld", name).as_string(conn)):
        if there and (row is None or found.anew):
            _set_aside(conn, name, ours=row is not None)
        conn.execute(SQL(wanted))  # made by format
    columns = Jsonb([one.as_json() for one in found.columns])
    conn.execute(_SQL.note, {"event_type": event_type, "name": name, "columns": columns, "statement": wanted})
    _tell(name, found, made_before=row is not None)


def _name(conn: Connection, event_type: str) -> tuple[str, bool]:
    """The name of the view, and whether there is one of it; another name where a table has that."""
    name = view_columns.view_name(event_type)
    for one in (name, view_columns.cut(f"{name}_view")):
        kind = conn.execute(_SQL.kind, {"name": one}).fetchone()
        if kind is None or kind[0] == "v":
            return one, kind is not None
    return name, False


def _set_aside(conn: Connection, name: str, *, ours: bool) -> None:
    """Make room for another view of that name; what reads the one that is there goes on to, under another name."""
    dependents = [one for (one,) in conn.execute(_SQL.dependents, {"name": name})]
    if ours and not dependents:
        conn.execute(SQL("DROP VIEW {}").format(Identifier("etld", name)))
        return
    number = 1
    while conn.execute(_SQL.kind, {"name": view_columns.cut(f"{name}_old{number}")}).fetchone():
        number += 1
    aside = view_columns.cut(f"{name}_old{number}")
    conn.execute(SQL("ALTER VIEW {} RENAME TO {}").format(Identifier("etld", name), Identifier(aside)))
    log.warning("the view etld.%s is etld.%s now; it is read by %s", name, aside, ", ".join(dependents) or "nobody")


def _tell(name: str, found: ViewColumns, *, made_before: bool) -> None:
    if found.anew:
        log.warning("the view etld.%s is made anew: columns have other types in the schema now", name)
    else:
        log.info("the view etld.%s is %s", name, "brought up to date" if made_before else "made")
    for one in found.renamed:
        log.info("the view etld.%s has %s as %s: its own name is taken, or too long", name, one.path, one.name)
    if found.left_out:
        log.warning("the view etld.%s is full, and has no column for %s", name, ", ".join(found.left_out))


def _script(conn: Connection, name: str, event_type: str, top: Type, found: ViewColumns) -> Composed:
    """The view with its comments: what the schema says of the type and of its fields."""
    view, docs = Identifier("etld", name), view_columns.docs_of(top)
    said = {column: text for column, (_, text) in OF_EVERY_EVENT.items()}
    said |= {one.name: f"{docs.get(one.path, '')} ({one.path})".lstrip() for one in found.columns}
    about = f"Events of type {event_type}. {top.doc}".strip()
    parts = [SQL("CREATE OR REPLACE VIEW {} AS\n{}").format(view, _query(conn, event_type, found.columns))]
    parts.append(SQL("COMMENT ON VIEW {} IS {}").format(view, Literal(about)))
    parts += [
        SQL("COMMENT ON COLUMN {}.{} IS {}").format(view, Identifier(column), Literal(text))
        for column, text in said.items()
    ]
    return SQL(";\n").join(parts)


def _query(conn: Connection, event_type: str, columns: Sequence[ViewColumn]) -> Composed:
    row = conn.execute(_SQL.partitions).fetchone()
    assert row is not None
    partitioned, may_lack = row
    accepted = SQL("e.accepted_at")
    if not may_lack:
        return _select(event_type, columns, accepted)
    if partitioned:
        # Two branches, for the planner looks through no coalesce(): a condition on accepted_at leaves partitions out.
        return SQL("{}\nUNION ALL\n{}").format(
            _select(event_type, columns, accepted) + SQL(" AND e.accepted_at IS NOT NULL"),
            _select(event_type, columns, SQL("e.processed_at")) + SQL(" AND e.accepted_at IS NULL"),
        )
    return _select(event_type, columns, SQL("coalesce(e.accepted_at, e.processed_at)"))


def read(details: str, field: str, kind: str) -> Composable:
    """A field of the details of an event `e` as a value of that type, or NULL."""
    return _READ[kind].format(details=SQL("e.{}").format(Identifier(details)), field=Literal(field))


def _select(event_type: str, columns: Sequence[ViewColumn], accepted: Composable) -> Composed:
    selected: list[Composable] = [SQL("e.event_id"), SQL("e.event_name"), SQL("e.triggered_at")]
    selected += [accepted + SQL(" AS accepted_at"), SQL("e.processed_at"), _REPAIRED]
    selected += [read(one.details, one.field, one.type) + SQL(" AS ") + Identifier(one.name) for one in columns]
    return SQL("SELECT {} FROM public.processed_events e WHERE e.event_type = {}").format(
        _COMMA.join(selected), Literal(event_type)
    )


def _why(error: DatabaseError) -> str:
    detail = error.diag.message_detail
    return one_line(f"{error.diag.message_primary or error}{f' ({detail})' if detail else ''}")
