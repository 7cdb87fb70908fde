"""The queries of charts as plain SQL of PostgreSQL, for tools that take that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.bi.model import literal, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.bi.model import BoardChart, Dataset

#: What begins where buckets are counted from.
_ORIGIN = "timestamptz '2001-01-01 00:00:00+00'"
MOST_ROWS, MOST_GROUPS = 1_000, 12


@dataclass(frozen=True, slots=True)
class ToolSpan:
    """How a tool writes the time that is looked at: `begin` and `end` as SQL."""

    begin: str
    end: str

    def within(self, column: str) -> str:
        """A condition for a column."""
        return f"{column} >= {self.begin} AND {column} < {self.end}"

    def before(self, column: str) -> str:
        """The same of the period before."""
        return f"{column} >= {self.begin} - ({self.end} - {self.begin}) AND {column} < {self.begin}"


def query(chart: BoardChart, span: ToolSpan, more: Sequence[str] = ()) -> str:
    """The rows of a chart; `more`: conditions that the viewer chose."""
    table = chart.dataset
    if chart.kind == "number":
        return _number(chart, span, more)
    where = _where(chart, [span.within(quoted(table.instant))] if chart.timed else [], more)
    if chart.kind == "table":
        shown = ", ".join(f"{table.column(one).sql} AS {quoted(table.column(one).label)}" for one in chart.by)
        time = next((one for one in chart.by if table.column(one).temporal), "")
        order = f" ORDER BY {table.column(time).sql} DESC" if time else ""
        return f"SELECT {shown} FROM {name(table)}{where}{order} LIMIT {MOST_ROWS}"
    metric = table.metric(chart.metric)
    value = f"({metric.expression})::float8 AS {quoted(metric.label)}"
    groups = [table.column(one).sql for one in chart.by]
    if chart.kind in ("bars", "lines"):
        group = "".join(f", {one} AS metric" for one in groups)
        by = ", ".join(str(n + 1) for n in range(1 + len(groups)))
        return f"SELECT {bucket(table)} AS time{group}, {value} FROM {name(table)}{where} GROUP BY {by} ORDER BY {by}"
    group = f"coalesce({groups[0]}::text, 'none') AS {quoted(table.column(chart.by[0]).label)}"
    order = f"ORDER BY 2 DESC NULLS LAST, 1 LIMIT {MOST_GROUPS}"
    return f"SELECT {group}, {value} FROM {name(table)}{where} GROUP BY 1 {order}"


def name(table: Dataset) -> str:
    """Table or view, with its schema."""
    return f"{quoted(table.schema)}.{quoted(table.table)}"


def bucket(table: Dataset) -> str:
    """The bucket of time that a row is in."""
    time = quoted(table.instant)
    return time if table.bucketed else f"date_bin(interval '{table.grain} seconds', {time}, {_ORIGIN})"


def _number(chart: BoardChart, span: ToolSpan, more: Sequence[str]) -> str:
    """The value, and its change to the period before as a share of that; NULL where there was nothing."""
    table = chart.dataset
    metric = table.metric(chart.metric)
    parts = [
        f"(SELECT {metric.expression} AS value FROM {name(table)}{_where(chart, [condition], more)}) {period}"
        for period, condition in (
            ("shown", span.within(quoted(table.instant))),
            ("earlier", span.before(quoted(table.instant))),
        )
    ]
    change = 'shown.value::float8 / nullif(earlier.value::float8, 0) - 1 AS "Change"'
    return f"SELECT shown.value::float8 AS {quoted(chart.title)}, {change} FROM {', '.join(parts)}"


def _where(chart: BoardChart, conditions: list[str], more: Sequence[str]) -> str:
    for column, values in chart.where:
        chosen = ", ".join(literal(one) for one in values)
        conditions.append(f"{chart.dataset.column(column).sql} IN ({chosen})")
    every = [*conditions, *more]
    return f" WHERE {' AND '.join(every)}" if every else ""
