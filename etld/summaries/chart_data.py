"""From a summary's table to what its chart shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.postgres.compose import SQL, Identifier, Literal
from etld.postgres.snapshot import snapshot
from etld.sinks.postgres.unwrap import connection_of
from etld.summaries import chart_model, table_sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.config.sections.summaries import PanelSection, SummarySection
    from etld.postgres.connections import Connection
    from etld.sinks.base import SideConnection
    from etld.summaries.chart_model import Chart, Panel
    from etld.summaries.model import Measure, Summary


def read_charts(
    side: SideConnection, summaries: Sequence[Summary], sections: Mapping[str, SummarySection]
) -> list[Chart]:
    """The charts of all summaries that have one in the configuration, read in one snapshot."""
    conn = connection_of(side)
    found = []
    with snapshot(conn):
        for summary in summaries:
            chart = sections[summary.name].chart
            if chart is not None:
                panels = tuple(_panel(conn, summary, panel) for panel in chart.panels)
                line = chart_model.source(_extent(conn, summary), summary.table)
                found.append(chart_model.Chart(chart.name, chart.title, line, panels))
    return found


def _panel(conn: Connection, summary: Summary, panel: PanelSection) -> Panel:
    measure = next(one for one in summary.measures if one.name == panel.value)
    title = panel.title or f"{panel.value} by {panel.by}"
    more: dict[str, Any] = {
        "unit": panel.unit,
        "by": panel.by,
        "additive": measure.function in ("count", "sum"),
        "labels": panel.labels,
    }
    if chart_model.PANEL_KINDS[panel.kind].over_time:
        return chart_model.lines(panel.kind, title, _by_time(conn, summary, measure, panel.by), **more)
    return chart_model.bars(panel.kind, title, _by_group(conn, summary, measure, panel.by), **more)


# Sums are numeric, and may lie outside what PostgreSQL casts to double precision; Python's float() takes them.


def _by_group(conn: Connection, summary: Summary, measure: Measure, by: str) -> list[tuple[str, float]]:
    """(group, measure over all buckets), for a chart; groups without a value are left out."""
    query = SQL("SELECT {by}::text, {total} FROM {table} GROUP BY {by} ORDER BY {by}").format(
        by=Identifier(by), total=table_sql.total(measure), table=table_sql.table(summary)
    )
    rows = conn.execute(query)
    return [("none" if name is None else name, float(value)) for name, value in rows if value is not None]


def _by_time(conn: Connection, summary: Summary, measure: Measure, by: str) -> list[tuple[str, str, float]]:
    """(group, bucket start as ISO text, measure), in time order; all in one group when `by` is bucket_start."""
    group = SQL("''") if by == "bucket_start" else SQL("coalesce({}::text, 'none')").format(Identifier(by))
    query = SQL(
        "SELECT {group} AS g, to_char(bucket_start, 'YYYY-MM-DD\"T\"HH24:MI:SS'), {total}"
        " FROM {table} GROUP BY g, bucket_start ORDER BY bucket_start, g"
    ).format(group=group, total=table_sql.total(measure), table=table_sql.table(summary))
    return [(name, start, float(value)) for name, start, value in conn.execute(query) if value is not None]


def _extent(conn: Connection, summary: Summary) -> tuple[str, str, int | None] | None:
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
