"""The statements of one summary's table; its columns come from the config, so they are put together here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from etld.postgres.compose import SQL, Composable, Composed, Identifier, Literal
from etld.schemas.fields import COLUMNS
from etld.summaries import local_buckets
from etld.summaries.model import NUMBER, NUMBER_TEXT, ORIGIN, SIZES, WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from etld.summaries.model import EventField, Measure, Summary

_TYPES: dict[str, SQL] = {
    "text": SQL("text"),
    "boolean": SQL("boolean"),
    "integer": SQL("integer"),
    "bigint": SQL("bigint"),
    "numeric": SQL("numeric"),
    "real": SQL("real"),
    "double precision": SQL("double precision"),
    "timestamptz": SQL("timestamptz"),
}
_COMMA = SQL(", ")
#: Where events are, and a condition that all of them meet.
EVENTS = SQL("public.processed_events")
ALL = SQL("true")
# Which values count, as jsonpath; a repetition of more than 255 would be refused.
_COUNTS = {"text": '@.type() == "string"', "boolean": "@ == true || @ == false"}
_NUMBER = f'@.type() == "number" || @ like_regex "{NUMBER.replace("^", f"^(?!(.{{200}}){{{NUMBER_TEXT // 200}}})")}"'


def table(summary: Summary) -> Identifier:
    """The qualified name of the summary's table."""
    return Identifier("etld", summary.table)


def expired(summary: Summary) -> Identifier:
    """The qualified name of the table with what expired events had in the summary."""
    return Identifier("etld", f"expired_{summary.name}")


def create(summary: Summary, name: Identifier) -> Composed:
    """The typed table: bucket_start, the group columns, the measures; an average is computed from its two."""
    parts: list[Composable] = [SQL("bucket_start timestamptz NOT NULL")]
    parts += [_column(group.name, group.field.type) for group in summary.groups]
    parts += [column for measure in summary.measures for column in _measure_columns(measure)]
    parts.append(SQL("UNIQUE NULLS NOT DISTINCT ({})").format(_names(summary.key)))
    return SQL("CREATE TABLE {} ({})").format(name, _COMMA.join(parts))


def add_measures(name: Identifier, measures: Iterable[Measure]) -> Composed:
    """The columns of more measures; in rows that are there they are what no event gives."""
    added = [SQL("ADD COLUMN ") + column for measure in measures for column in _measure_columns(measure)]
    return SQL("ALTER TABLE {} {}").format(name, _COMMA.join(added))


def drop_measures(name: Identifier, measures: Iterable[Measure]) -> Composed:
    """The other way."""
    # A computed column is named last, and goes first.
    dropped = [SQL("DROP COLUMN {}").format(Identifier(one)) for measure in measures for one in measure.names[::-1]]
    return SQL("ALTER TABLE {} {}").format(name, _COMMA.join(dropped))


def upsert(summary: Summary) -> Composed:
    """Add rows given as arrays: bucket days and seconds since 1970, then a text array for each column.

    In key order, so that two aggregators lock rows alike.
    """
    kinds = [(group.name, group.field.type) for group in summary.groups] + list(summary.kept)
    arrays: list[Composable] = [SQL("%s::integer[]"), SQL("%s::integer[]")]
    arrays += [SQL("%s::{}[]").format(_TYPES[kind]) for _, kind in kinds]
    # In capitals, so that no column of the summary has such a name.
    names: list[Composable] = [Identifier("DAYS"), Identifier("SECONDS"), *(Identifier(name) for name, _ in kinds)]
    start = SQL('timestamptz \'epoch\' + make_interval(days => r."DAYS", secs => r."SECONDS")')
    source = SQL("SELECT {start} AS bucket_start{more} FROM unnest({arrays}) AS r ({names})").format(
        start=local_buckets.bucket(summary, start) if summary.local else start,
        more=SQL("").join(SQL(", r.") + Identifier(name) for name, _ in kinds),
        arrays=_COMMA.join(arrays),
        names=_COMMA.join(names),
    )
    if summary.local:
        source = local_buckets.placed(summary, combined(summary, source))
    return insert(summary, source, table(summary))


def insert(summary: Summary, source: Composable, into: Identifier) -> Composed:
    """Add the rows of a query, each of another key, to a table of the summary, in key order."""
    order = _COMMA.join(SQL(str(i + 1)) for i in range(len(summary.key)))
    return SQL("INSERT INTO {} AS t ({}) {} ORDER BY {} ON CONFLICT ({}) DO UPDATE SET {}").format(
        into,
        columns(summary),
        source,
        order,
        _names(summary.key),
        _COMMA.join(_merged(measure) for measure in summary.measures),
    )


def recompute(summary: Summary, condition: Composable | None = None, source: Composable = EVENTS) -> Composed:
    """The summary as a query over events, the same columns in the same order.

    `source` is a relation with the columns of processed_events, and `condition` tells of its rows as `e`.
    """
    time = SQL("e.triggered_at")
    bucket: Composable = SQL("date_bin(make_interval(secs => {}), {}, {}::timestamptz)").format(
        Literal(summary.bucket), time, Literal(ORIGIN)
    )
    if summary.local:
        bucket = local_buckets.bucket(summary, time)
    selected: list[Composable] = [bucket + SQL(" AS bucket_start")]
    for group in summary.groups:
        value = _value(group.field)
        if group.field.type == "text":
            value = SQL("left({}, {})").format(value, Literal(summary.text_limit))
        selected.append(value + SQL(" AS ") + Identifier(group.name))
    for measure in summary.measures:
        selected += _aggregates(measure)
    where: list[Composable] = [SQL("e.event_type = ANY({})").format(Literal(list(summary.event_types)))]
    where += [
        SQL("{} = ANY({}::{}[])").format(_value(f.field), Literal(list(f.values)), _TYPES[f.field.type])
        for f in summary.filters
    ]
    if condition is not None:
        where.append(condition)
    query = SQL("SELECT {} FROM {} e WHERE {} GROUP BY {}").format(
        _COMMA.join(selected),
        source,
        SQL(" AND ").join(where),
        _COMMA.join(SQL(str(i + 1)) for i in range(len(summary.key))),
    )
    return local_buckets.placed(summary, query) if summary.local else query


def combined(summary: Summary, query: Composable) -> Composed:
    """A query whose rows are parts of the summary, with those of one key added up."""
    selected: list[Composable] = [Identifier(name) for name in summary.key]
    selected += [
        _added_up(measure, kind).format(name) + SQL(" AS ") + name
        for measure in summary.measures
        for name, kind in ((Identifier(column), kind) for column, kind in measure.columns)
    ]
    return SQL("SELECT {} FROM ({}) parts GROUP BY {}").format(
        _COMMA.join(selected), query, _COMMA.join(SQL(str(i + 1)) for i in range(len(summary.key)))
    )


def columns(summary: Summary) -> Composed:
    """The names of all columns that are not computed, in the order of `recompute`."""
    return _names((*summary.key, *(name for name, _ in summary.kept)))


def difference(summary: Summary, query: Composable, limit: int) -> Composed:
    """Rows that the table and a query do not share: the key, then kept and recomputed measures as text arrays."""
    measures = [name for name, _ in summary.kept]
    same = SQL(" AND ").join(SQL("t.{0} IS NOT DISTINCT FROM q.{0}").format(Identifier(name)) for name in summary.key)
    return SQL(
        "WITH q AS ({query}) SELECT {key}, {kept}, {again}, t.bucket_start IS NULL, q.bucket_start IS NULL"
        " FROM {table} t FULL JOIN q ON t.bucket_start = q.bucket_start AND ({same})"
        " WHERE t.bucket_start IS NULL OR q.bucket_start IS NULL OR ({left}) IS DISTINCT FROM ({right})"
        " ORDER BY 1 LIMIT {limit}"
    ).format(
        query=query,
        key=_COMMA.join(SQL("coalesce(t.{0}, q.{0})").format(Identifier(name)) for name in summary.key),
        kept=SQL("ARRAY[{}]").format(_COMMA.join(SQL("t.{}::text").format(Identifier(n)) for n in measures)),
        again=SQL("ARRAY[{}]").format(_COMMA.join(SQL("q.{}::text").format(Identifier(n)) for n in measures)),
        table=table(summary),
        same=same,
        left=_COMMA.join(SQL("t.{}").format(Identifier(n)) for n in measures),
        right=_COMMA.join(SQL("q.{}").format(Identifier(n)) for n in measures),
        limit=Literal(limit),
    )


def total(measure: Measure) -> Composed:
    """A measure over several rows of its table."""
    names = [Identifier(name) for name, _ in measure.columns]
    if measure.function == "avg":
        return SQL("sum({}) / nullif(sum({}), 0)").format(*names)
    function = {"count": SQL("sum"), "sum": SQL("sum"), "min": SQL("min"), "max": SQL("max")}[measure.function]
    return function + SQL("({})").format(*names)


def _measure_columns(measure: Measure) -> Iterator[Composable]:
    for name, kind in measure.columns:
        counts = kind == "bigint" and measure.function in ("count", "avg")
        yield _column(name, kind) + SQL(" NOT NULL DEFAULT 0") if counts else _column(name, kind)
    if measure.function == "avg":
        total, count = (Identifier(name) for name, _ in measure.columns)
        yield SQL("{} numeric GENERATED ALWAYS AS ({} / nullif({}, 0)) STORED").format(
            Identifier(measure.name), total, count
        )


def _aggregates(measure: Measure) -> list[Composable]:
    names = [Identifier(name) for name, _ in measure.columns]
    if measure.field is None:
        return [SQL("count(*) AS {}").format(names[0])]
    value = _value(measure.field)
    if measure.function == "sum":
        return [SQL("sum({}) AS {}").format(value, names[0])]
    if measure.function == "avg":
        return [
            SQL("sum({}) AS {}").format(value, names[0]),
            SQL("count({}) AS {}").format(value, names[1]),
        ]
    function = SQL("min") if measure.function == "min" else SQL("max")
    return [function + SQL("({}) AS {}").format(value, names[0])]


def _merged(measure: Measure) -> Composable:
    parts = []
    for name, kind in measure.columns:
        column = Identifier(name)
        if measure.function in ("min", "max"):
            function = SQL("least") if measure.function == "min" else SQL("greatest")
            parts.append(SQL("{0} = {1}(t.{0}, excluded.{0})").format(column, function))
        elif kind == "bigint":
            parts.append(SQL("{0} = t.{0} + excluded.{0}").format(column))
        else:
            parts.append(SQL("{0} = coalesce(t.{0} + excluded.{0}, t.{0}, excluded.{0})").format(column))
    return _COMMA.join(parts)


def _value(field: EventField) -> Composable:
    """A field of a row `e` of processed_events, in its column's type; NULL where that does not hold it."""
    first, *rest = field.path
    if first in COLUMNS:
        return SQL("e.{}").format(Identifier(first))
    # Strict, so that no list is looked into, and silent about what is not there.
    steps = "".join(f".{json.dumps(part)}" for part in rest)
    text = SQL("(jsonb_path_query_first(e.{}, {}, '{{}}', true) #>> '{{}}')").format(
        Identifier(first), Literal(f"strict ${steps} ? ({_COUNTS.get(field.type, _NUMBER)})")
    )
    if field.type == "text":
        return text
    if field.type in ("boolean", "numeric"):
        return text + SQL("::") + _TYPES[field.type]
    # Apart, so that it is looked for once.
    return SQL("(SELECT CASE WHEN {} THEN v.n::{} END FROM (SELECT {}::numeric AS n OFFSET 0) v)").format(
        _fits(field.type), _TYPES[field.type], text
    )


def _fits(kind: str) -> Composable:
    """Does a type hold the number `v.n`?"""
    if kind in WHOLE:
        low, high = WHOLE[kind]
        return SQL("v.n BETWEEN {}::numeric AND {}::numeric AND v.n = trunc(v.n)").format(
            Literal(str(low)), Literal(str(high))
        )
    small, large = SIZES[kind]
    return SQL("v.n = 0 OR abs(v.n) BETWEEN {}::numeric AND {}::numeric").format(Literal(small), Literal(large))


def _added_up(measure: Measure, kind: str) -> SQL:
    if measure.function in ("min", "max"):
        return SQL("min({})") if measure.function == "min" else SQL("max({})")
    return SQL("sum({})::bigint") if kind == "bigint" else SQL("sum({})")


def _column(name: str, kind: str) -> Composed:
    return Identifier(name) + SQL(" ") + _TYPES[kind]


def _names(names: Iterable[str]) -> Composed:
    return _COMMA.join(Identifier(name) for name in names)
