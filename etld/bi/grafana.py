"""Grafana: the dashboards as JSON, on its data source for PostgreSQL."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from etld.bi import sql
from etld.bi.as_text import as_text, plain
from etld.charts import palette

if TYPE_CHECKING:
    from etld.bi.model import BoardChart, BoardFilter, Dashboard, Dashboards

_SOURCE = "grafana-postgresql-datasource"
_DATASOURCE = {"type": _SOURCE, "uid": "${datasource}"}
#: The schema of Grafana 11; newer ones take it over.
_SCHEMA = 39
_SPAN = sql.ToolSpan("$__timeFrom()::timestamptz", "$__timeTo()::timestamptz")
_MONEY = {"USD": "currencyUSD", "EUR": "currencyEUR", "GBP": "currencyGBP", "JPY": "currencyJPY"}
_KINDS = {"number": "stat", "bars": "timeseries", "lines": "timeseries", "ranked": "barchart", "shares": "piechart"}
_HEIGHTS = {"stat": 5, "table": 8}
_HEIGHT, _LOW = 9, 6
_LONGEST_UID = 40
#: A viewer's choice of all values; Grafana puts it in as it is.
_ALL = "'*'"
#: Grafana's row has twice as many columns as ours.
_WIDER = 2


def files(made: Dashboards, project: str) -> dict[str, str]:
    """A file for each dashboard, by its name."""
    boards = {_uid(board, project): _dashboard(board, made, project) for board in made.dashboards}
    return {f"{uid}.json": as_text(board) for uid, board in boards.items()}


def _uid(board: Dashboard, project: str) -> str:
    uid = f"{plain(project)}-{plain(board.key)}"
    if len(uid) <= _LONGEST_UID:
        return uid
    return f"{uid[: _LONGEST_UID - 9]}-{hashlib.sha256(uid.encode()).hexdigest()[:8]}"


def _dashboard(board: Dashboard, made: Dashboards, project: str) -> dict[str, Any]:
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": _SOURCE}
    return {
        "uid": _uid(board, project),
        "title": f"{project}: {board.title}",
        "description": board.description,
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": True,
        "tags": ["etld"],
        "timezone": "browser",
        "refresh": "1m",
        "time": {"from": f"now-{board.last}s", "to": "now"},
        "templating": {"list": [source, *(_variable(one) for one in board.filters)]},
        "annotations": {"list": []},
        "panels": _panels(board, made),
    }


def _variable(given: BoardFilter) -> dict[str, Any]:
    table = given.dataset
    value = table.column(given.column).sql
    when = f" WHERE {_SPAN.within(table.column(table.instant).sql)}" if table.instant else ""
    asked = f"SELECT DISTINCT {value} FROM {sql.name(table)}{when} ORDER BY 1 LIMIT {sql.MOST_ROWS}"
    return {
        "name": given.column,
        "label": given.title,
        "type": "query",
        "datasource": _DATASOURCE,
        "query": asked,
        "definition": asked,
        # Anew when the time changes.
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": _ALL,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _panels(board: Dashboard, made: Dashboards) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    y = 0
    for row in board.rows:
        x, tallest = 0, 0
        for chart in row:
            panel = _panel(chart, board, made)
            height = (_HEIGHTS.get(panel["type"], _HEIGHT)) if chart.timed else _LOW
            place = {"h": height, "w": chart.width * _WIDER, "x": x, "y": y}
            found.append({"id": len(found) + 1, **panel, "gridPos": place})
            x, tallest = x + place["w"], max(tallest, height)
        y += tallest
    return found


def _panel(chart: BoardChart, board: Dashboard, made: Dashboards) -> dict[str, Any]:
    kind = _KINDS.get(chart.kind, "table")
    asked = sql.query(chart, _SPAN, _chosen(chart, board))
    series = "time_series" if kind == "timeseries" else "table"
    target = {"refId": "A", "datasource": _DATASOURCE, "format": series, "rawQuery": True, "editorMode": "code"}
    return {
        "type": kind,
        "title": chart.title,
        "description": chart.dataset.description,
        "datasource": _DATASOURCE,
        "targets": [{**target, "rawSql": asked}],
        "options": _options(chart),
        "fieldConfig": {"defaults": _defaults(chart), "overrides": _overrides(chart, made)},
    }


def _chosen(chart: BoardChart, board: Dashboard) -> list[str]:
    """What the viewer chose of the columns that the chart's table has; all of it while he chose nothing."""
    if not chart.timed:
        return []
    there = {one.name: one.sql for one in chart.dataset.columns}
    chosen = [(f"${{{one.column}:sqlstring}}", there[one.column]) for one in board.filters if one.column in there]
    return [f"({_ALL} IN ({values}) OR coalesce({column}::text, 'none') IN ({values}))" for values, column in chosen]


def _options(chart: BoardChart) -> dict[str, Any]:
    if chart.kind == "number":
        shown = {"values": False, "calcs": ["lastNotNull"], "fields": ""}
        return {"reduceOptions": shown, "colorMode": "value", "graphMode": "none", "textMode": "value_and_name"}
    if chart.kind == "ranked":
        return {"orientation": "horizontal", "showValue": "always", "legend": {"showLegend": False}}
    if chart.kind == "shares":
        legend = {"displayMode": "table", "placement": "right", "showLegend": True, "values": ["value", "percent"]}
        return {"pieType": "donut", "reduceOptions": {"values": True, "calcs": []}, "legend": legend}
    if chart.kind == "table":
        return {"showHeader": True}
    return {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": bool(chart.by)}}


def _defaults(chart: BoardChart) -> dict[str, Any]:
    unit = {"unit": _MONEY.get(chart.unit, f"suffix: {chart.unit}" if chart.unit else "short")}
    if chart.kind == "table":
        return {}
    colour = {"color": {"mode": "fixed" if not chart.by else "palette-classic", "fixedColor": palette.SERIES[0]}}
    if chart.kind == "bars":
        return {**unit, **colour, "custom": {"drawStyle": "bars", "fillOpacity": 80, "stacking": {"mode": "normal"}}}
    if chart.kind == "lines":
        return {**unit, **colour, "custom": {"drawStyle": "line", "lineWidth": 2, "showPoints": "auto"}}
    return {**unit, **colour}


def _overrides(chart: BoardChart, made: Dashboards) -> list[dict[str, Any]]:
    if chart.kind == "number":
        worse, better = ("red", "green") if chart.less_is_better else ("green", "red")
        steps = [{"color": better, "value": None}, {"color": worse, "value": 0}]
        return [
            _override(
                "Change",
                {"unit": "percentunit", "decimals": 1},
                color={"mode": "thresholds"},
                thresholds={"mode": "absolute", "steps": steps},
            )
        ]
    if chart.kind == "table":
        columns = [chart.dataset.column(one) for one in chart.by]
        return [_override(one.label, {"unit": _MONEY[one.unit]}) for one in columns if one.unit in _MONEY]
    if not chart.by:
        return []
    return [_override(name, {}, color={"mode": "fixed", "fixedColor": colour}) for name, colour in made.colours.items()]


def _override(name: str, plain: dict[str, Any], **more: Any) -> dict[str, Any]:
    properties = [{"id": key, "value": value} for key, value in {**plain, **more}.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": properties}
