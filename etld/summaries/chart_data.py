"""From a summary's table to what its chart shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from etld.config.units import format_duration
from etld.postgres.compose import SQL, Composable, Identifier, Literal
from etld.postgres.snapshot import snapshot
from etld.sinks.postgres.unwrap import connection_of
from etld.summaries import chart_model, local_buckets, table_sql
from etld.summaries.chart_model import Buckets
from etld.summaries.model import ORIGIN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.config.sections.summaries import ChartSection, PanelSection, SummarySection
    from etld.postgres.connections import Connection
    from etld.sinks.base import SideConnection
    from etld.summaries.chart_model import Chart, Panel
    from etld.summaries.model import Measure, Summary


def read_charts(
    side: SideConnection, summaries: Sequence[Summary], sections: Mapping[str, SummarySection]
) -> list[Chart]:
    """The charts of all summaries that have one in the configuration, read in one snapshot."""
    conn = connection_of(side)
    charts = [(summary, sections[summary.name].chart) for summary in summaries]
    with snapshot(conn):
        return [read_chart(conn, summary, chart) for summary, chart in charts if chart is not None]


def read_chart(conn: Connection, summary: Summary, chart: ChartSection) -> Chart:
    """What a chart of a summary shows; raises psycopg errors."""
    shown = _shown(conn, summary, chart.last)
    panels = tuple(_panel(conn, summary, shown, panel) for panel in chart.panels)
    line = chart_model.source(_extent(conn, summary, shown), summary.table, shown.text, summary.zone)
    return chart_model.Chart(chart.name, chart.title, line, panels, shown.text)


def read_rows(
    conn: Connection, summary: Summary, last: float | None, limit: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns of the table, and its rows of the buckets that began in the last so many seconds: the newest first.

    The first column is where the bucket begins, by the clock of the buckets. Raises psycopg errors.
    """
    measures = [measure.name for measure in summary.measures]
    columns = [*summary.key, *measures]
    others = [Identifier(name) for name in columns[1:]]
    query = SQL("SELECT {}, {} FROM {} WHERE {} ORDER BY bucket_start DESC, {} LIMIT {}").format(
        _start(summary),
        SQL(", ").join(others),
        table_sql.table(summary),
        _shown(conn, summary, last).rows,
        SQL(", ").join([*others[: len(others) - len(measures)], SQL("1")]),
        Literal(limit),
    )
    return columns, conn.execute(query).fetchall()


@dataclass(frozen=True, slots=True)
class _Shown:
    """Which rows a chart shows, in words too, and the starts of the first and the last bucket; all without them."""

    rows: Composable
    text: str = ""
    span: tuple[str, str] | None = None


def _shown(conn: Connection, summary: Summary, last: float | None) -> _Shown:
    """The buckets that began in the last so many seconds."""
    if last is None:
        return _Shown(SQL("true"))
    # By the clock of the buckets.
    row = conn.execute(
        SQL("SELECT extract(epoch FROM now() AT TIME ZONE {})::float8").format(Literal(summary.zone))
    ).fetchone()
    assert row is not None
    width = summary.bucket
    end = (row[0] - ORIGIN_SECONDS) // width * width + ORIGIN_SECONDS
    begin = -((ORIGIN_SECONDS - row[0] + last) // width) * width + ORIGIN_SECONDS
    first, newest = (datetime.fromtimestamp(at, UTC).replace(tzinfo=None) for at in (begin, end))
    return _Shown(
        SQL("{} BETWEEN {}::timestamp AND {}::timestamp").format(_start(summary), Literal(first), Literal(newest)),
        f"in the last {format_duration(last)}",
        (first.isoformat(), newest.isoformat()),
    )


def _start(summary: Summary) -> Composable:
    """Where a bucket begins, by the clock of the buckets."""
    return local_buckets.local_start(summary) if summary.local else SQL("(bucket_start AT TIME ZONE 'UTC')")


def _panel(conn: Connection, summary: Summary, shown: _Shown, panel: PanelSection) -> Panel:
    measure = next(one for one in summary.measures if one.name == panel.value)
    over_time = chart_model.PANEL_KINDS[panel.kind].over_time
    by = "" if panel.by == "bucket_start" else panel.by
    title = panel.title or f"{panel.value} {f'by {by}' if by else 'over time'}"
    additive = measure.function in ("count", "sum")
    more: dict[str, Any] = {
        "unit": panel.unit,
        "by": by,
        "labels": panel.labels,
    }
    if over_time:
        empty = panel.empty or ("zero" if additive else "gap")
        buckets = Buckets(summary.bucket, 0.0 if empty == "zero" else None, shown.span)
        rows = _by_time(conn, summary, shown, measure, by)
        return replace(chart_model.lines(panel.kind, title, rows, **more, buckets=buckets), additive=additive)
    return chart_model.bars(panel.kind, title, _by_group(conn, summary, shown, measure, by), additive=additive, **more)


# Sums are numeric, and may lie outside what PostgreSQL casts to double precision; Python's float() takes them.


def _by_group(conn: Connection, summary: Summary, shown: _Shown, measure: Measure, by: str) -> list[tuple[str, float]]:
    """(group, measure over all buckets), for a chart; groups without a value are left out."""
    query = SQL("SELECT {by}::text, {total} FROM {table} WHERE {rows} GROUP BY {by} ORDER BY {by}").format(
        by=Identifier(by), total=table_sql.total(measure), table=table_sql.table(summary), rows=shown.rows
    )
    rows = conn.execute(query)
    return [("none" if name is None else name, float(value)) for name, value in rows if value is not None]


def _by_time(
    conn: Connection, summary: Summary, shown: _Shown, measure: Measure, by: str
) -> list[tuple[str, str, float]]:
    """(group, bucket start as ISO text, measure), in time order; all in one group without `by`."""
    group = SQL("coalesce({}::text, 'none')").format(Identifier(by)) if by else SQL("''")
    query = SQL(
        "SELECT {group}, to_char({start}, 'YYYY-MM-DD\"T\"HH24:MI:SS'), {total}"
        " FROM {table} WHERE {rows} GROUP BY 1, bucket_start ORDER BY bucket_start, 1"
    ).format(
        group=group,
        start=_start(summary),
        total=table_sql.total(measure),
        table=table_sql.table(summary),
        rows=shown.rows,
    )
    return [(name, start, float(value)) for name, start, value in conn.execute(query) if value is not None]


def _extent(conn: Connection, summary: Summary, shown: _Shown) -> tuple[str, str, int | None] | None:
    """(start of the first bucket, end of the last, events counted or None without a count); None when empty."""
    count = next((m.name for m in summary.measures if m.function == "count"), None)
    query = SQL(
        "SELECT to_char(min({start}), 'YYYY-MM-DD HH24:MI'),"
        " to_char(max({start}) + make_interval(secs => {}), 'YYYY-MM-DD HH24:MI'), {} FROM {} WHERE {}"
    ).format(
        Literal(summary.bucket),
        SQL("sum({})::bigint").format(Identifier(count)) if count else SQL("NULL::bigint"),
        table_sql.table(summary),
        shown.rows,
        start=_start(summary),
    )
    row = conn.execute(query).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1], row[2])
