"""From a summary's table to what its chart shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.postgres.snapshot import snapshot
from etld.summaries import chart_model, tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.postgres.connections import Connection
    from etld.summaries.chart_model import Chart, Panel
    from etld.summaries.model import Summary


def charts(conn: Connection, made: Sequence[Summary], configured: Mapping[str, Any]) -> list[Chart]:
    """The charts of all summaries that have one, read in one snapshot."""
    found = []
    with snapshot(conn):
        for summary in made:
            chart = configured[summary.name].chart
            if chart is not None:
                panels = tuple(_panel(conn, summary, panel) for panel in chart.panels)
                line = chart_model.source(tables.extent(conn, summary), summary.table)
                found.append(chart_model.Chart(chart.name, chart.title, line, panels))
    return found


def _panel(conn: Connection, summary: Summary, panel: Any) -> Panel:
    measure = next(one for one in summary.measures if one.name == panel.value)
    title = panel.title or f"{panel.value} by {panel.by}"
    more: dict[str, Any] = {
        "unit": panel.unit,
        "by": panel.by,
        "additive": measure.function in ("count", "sum"),
        "labels": panel.labels,
    }
    if panel.kind == "line":
        return chart_model.lines(title, tables.by_time(conn, summary, measure, panel.by), **more)
    return chart_model.bars(panel.kind, title, tables.by_group(conn, summary, measure, panel.by), **more)
