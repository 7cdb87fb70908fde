"""The events of subjects in processed_events: found, and taken out in the transaction that tells all who count them."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from etld.erasure.subject import canonical, number
from etld.postgres import statements
from etld.postgres.compose import SQL, Composable, Composed, Identifier, Literal
from etld.sinks.postgres import removed
from etld.sinks.postgres.removed import Removed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from etld.postgres.connections import Connection, Cursor

_SQL = statements.load(__package__, "rows")
#: The events that the transaction has taken out, with the columns of processed_events.
GONE = SQL("pg_temp.etld_gone")
_DETAILS = ("user_details", "event_details")
_AT_ONCE = 1000
_FOUND_OF = SQL("CREATE TEMPORARY TABLE etld_found ON COMMIT DROP AS")
_OR, _AND = SQL(" OR "), SQL(" AND ")

Values = tuple[str, ...]


def condition(fields: Sequence[str], values: Sequence[Values], until: datetime) -> Composable:
    """Which rows `e` are of one of these subjects, and were accepted until then; nobody knows when the oldest were."""
    if len(fields) == 1:
        of_whom: Composable = _is_one_of(fields[0], [value for (value,) in values])
    else:
        of_whom = _OR.join(
            SQL("({})").format(_AND.join(_is_one_of(path, [value]) for path, value in zip(fields, one, strict=True)))
            for one in values
        )
    return SQL("({}) AND (e.accepted_at IS NULL OR e.accepted_at <= {})").format(of_whom, Literal(until))


def find(conn: Connection, of: Composable) -> Iterator[list[str]]:
    """The ids of the rows that meet a condition, some at a time, as of one moment."""
    with conn.transaction(), conn.cursor("etld_forget") as cur:
        # Into a table first: PostgreSQL looks through rows for a cursor in one process only.
        conn.execute(SQL("{} SELECT e.event_id::text FROM public.processed_events e WHERE {}").format(_FOUND_OF, of))
        cur.execute("SELECT * FROM pg_temp.etld_found")
        while found := cur.fetchmany(_AT_ONCE):
            yield [row[0] for row in found]


def count(conn: Connection, of: Composable) -> int:
    """How many rows meet a condition."""
    row = conn.execute(SQL("SELECT count(*) FROM public.processed_events e WHERE {}").format(of)).fetchone()
    return int(row[0]) if row else 0


def take_out(cur: Cursor, ids: Sequence[str], of: Composable) -> int:
    """Move those of the events that meet the condition to `GONE`, which ends with the transaction; how many.

    They are counted as forgotten, and their ids are no longer among those that the aggregator has counted.
    """
    cur.execute(_SQL.make_gone)
    taken = cur.execute(
        SQL(
            "WITH taken AS ("
            "DELETE FROM public.processed_events e WHERE e.event_id = ANY({}::uuid[]) AND {} RETURNING e.*)"
            " INSERT INTO {} SELECT * FROM taken"
        ).format(Literal(list(ids)), of, GONE)
    ).rowcount
    if taken:
        gone = cur.execute(_SQL.gone_by_type).fetchall()
        removed.add(cur, {(event_type, part): Removed(forgotten=n) for event_type, part, n in gone})
        cur.execute(_SQL.forget_counted)
    return taken


def taken_of(cur: Cursor, fields: Sequence[str]) -> Mapping[Values, int]:
    """How many events were taken out, by the values of these fields."""
    found: Counter[Values] = Counter()
    for *parts, events in cur.execute(_grouped(fields, GONE, None)):
        found[_values(parts)] += events
    return found


def values_there(conn: Connection, fields: Sequence[str], until: datetime) -> list[Values]:
    """The values that rows accepted until then have in these fields."""
    old = SQL("(e.accepted_at IS NULL OR e.accepted_at <= {})").format(Literal(until))
    query = _grouped(fields, SQL("public.processed_events"), old)
    return list({_values(parts) for *parts, _ in conn.execute(query)})


def _grouped(fields: Sequence[str], source: Composable, where: Composable | None) -> Composed:
    columns: list[Composable] = []
    for path in fields:
        at = _at(path)
        if _is_column(path):
            columns += [SQL("'string'"), at + SQL("::text")]
        else:
            columns += [SQL("jsonb_typeof({})").format(at), SQL("({}) #>> '{{}}'").format(at)]
    numbers = SQL(", ").join(SQL(str(i + 1)) for i in range(len(columns)))
    return SQL("SELECT {}, count(*) FROM {} e WHERE {} GROUP BY {}").format(
        SQL(", ").join(columns), source, where or SQL("true"), numbers
    )


def _values(parts: Sequence[str | None]) -> Values:
    """From (type of JSON, text) of each field to what subjects are compared by; "" for what is none."""
    found = []
    for kind, text in zip(parts[::2], parts[1::2], strict=True):
        plain = number(text) if kind == "number" and text is not None else canonical(text)
        found.append(plain if plain is not None and kind in ("number", "string", "boolean") else "")
    return tuple(found)


def _is_one_of(path: str, values: Sequence[str]) -> Composable:
    if path == "event_id":
        return SQL("e.event_id = ANY({}::uuid[])").format(Literal(list(values)))
    if _is_column(path):
        return SQL("{} = ANY({}::text[])").format(_at(path), Literal(list(values)))
    wanted = [form for value in values for form in _forms(value)]
    # A cast of text, not an array of jsonb, since the driver would write it as an array of objects.
    return SQL("{} = ANY({}::text[]::jsonb[])").format(_at(path), Literal(wanted))


def _forms(value: str) -> list[str]:
    """What a value may be in JSON."""
    forms = [json.dumps(value, ensure_ascii=False)]
    if number(value) == value or value in ("true", "false"):
        forms.append(value)
    return forms


def _is_column(path: str) -> bool:
    return path.partition(".")[0] not in _DETAILS


def _at(path: str) -> Composable:
    first, *rest = path.split(".")
    # By names: an index on just this expression is used.
    return SQL("e.{}").format(Identifier(first)) + SQL("").join(SQL(" -> {}").format(Literal(name)) for name in rest)
