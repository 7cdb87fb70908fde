"""A chart as Superset has it: what its page shows of it (`params`), and the query that its data comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from etld.charts.numbers import CURRENCIES

if TYPE_CHECKING:
    from etld.bi.model import BoardChart, Dataset

#: Superset's steps of time, each with its seconds.
_GRAINS = ((1, "PT1S"), (60, "PT1M"), (3600, "PT1H"), (86_400, "P1D"), (604_800, "P1W"), (31 * 86_400, "P1M"))
_KINDS = {
    "number": "pop_kpi",
    "bars": "echarts_timeseries_bar",
    "lines": "echarts_timeseries_line",
    "ranked": "echarts_timeseries_bar",
    "shares": "pie",
    "listed": "table",
    "table": "table",
}
_MOST_ROWS, _MOST_GROUPS, _PAGE = 1_000, 12, 15


def kind(chart: BoardChart, *, change: bool) -> str:
    """What Superset calls this kind of chart. `change`: does it have numbers with the change to the period before?"""
    return _KINDS[chart.kind] if change or chart.kind != "number" else "big_number_total"


def grain(seconds: int) -> str:
    """The shortest step that holds one of so many seconds."""
    return next((name for width, name in _GRAINS if width >= seconds), "P1Y")


def time_range(last: int) -> str:
    """The last so many seconds, as Superset writes it."""
    units = ((86_400, "day"), (3600, "hour"), (1, "second"))
    count, unit = next((last // width, word) for width, word in units if last % width == 0)
    return f'DATEADD(DATETIME("now"), -{count}, {unit}) : now'


def params(chart: BoardChart, shown: str, *, change: bool) -> dict[str, Any]:
    """All that the page needs; `shown` is the time that is looked at, `change` as for `kind`."""
    made = {
        "viz_type": kind(chart, change=change),
        "adhoc_filters": _filters(chart, shown),
        "row_limit": _MOST_ROWS,
        "extra_form_data": {},
        "annotation_layers": [],
    }
    if chart.kind == "table":
        return made | _table(chart)
    if chart.kind == "listed":
        return made | _listed(chart)
    if chart.kind == "number":
        return made | _number(chart, change=change)
    made |= {"groupby": list(chart.by), "color_scheme": "supersetColors", **_money(chart)}
    if chart.kind == "shares":
        shares = {"donut": True, "show_total": True, "label_type": "key_percent", "number_format": _format(chart)}
        return made | shares | {"metric": chart.metric, "sort_by_metric": True, "innerRadius": 45, "show_legend": True}
    axes = {"y_axis_format": "SMART_NUMBER", "y_axis_title": _unit(chart), "y_axis_title_margin": 40}
    made |= {"metrics": [chart.metric], "rich_tooltip": True, "tooltipTimeFormat": "%d %b %Y %H:%M", **axes}
    if chart.kind == "ranked":
        return made | {
            "x_axis": chart.by[0],
            "groupby": [],
            "row_limit": _MOST_GROUPS,
            "show_legend": False,
            "orientation": "horizontal",
            "x_axis_sort": chart.metric,
            "x_axis_sort_asc": True,
            "show_value": True,
        }
    made |= {"x_axis": chart.dataset.time, "time_grain_sqla": grain(chart.dataset.grain), "show_legend": bool(chart.by)}
    made |= {"x_axis_time_format": "smart_date", "limit": _MOST_GROUPS, "order_desc": True, "truncateXAxis": True}
    return made | ({"stack": "Stack"} if chart.kind == "bars" else {"markerEnabled": True})


def query_context(chart: BoardChart, made: dict[str, Any]) -> str:
    """The query behind it, as JSON: what `/api/v1/chart/N/data/` answers with."""
    query: dict[str, Any] = {
        "filters": [_as_filter(one) for one in made["adhoc_filters"]],
        "extras": {"having": "", "where": ""},
        "columns": [],
        "metrics": [chart.metric] if chart.metric else None,
        "orderby": [[chart.metric, False]] if chart.metric else [],
        "row_limit": made["row_limit"],
        "order_desc": True,
        "post_processing": [],
    }
    if chart.kind == "table":
        query |= {"columns": list(chart.by), "orderby": [json.loads(one) for one in made["order_by_cols"]]}
    elif chart.kind == "number":
        query |= {"time_offsets": [made["time_compare"]] if "time_compare" in made else []}
    elif chart.kind in ("bars", "lines"):
        time = chart.dataset.time
        step = made["time_grain_sqla"]
        axis = {"timeGrain": step, "columnType": "BASE_AXIS", "sqlExpression": time, "label": time}
        query["columns"] = [axis | {"expressionType": "SQL"}, *chart.by]
        query |= {"series_columns": list(chart.by), "series_limit": _MOST_GROUPS, "series_limit_metric": chart.metric}
        query["extras"] |= {"time_grain_sqla": step}
    else:
        query |= {"columns": list(chart.by)}
    given = {"force": False, "result_format": "json", "result_type": "full", "form_data": made, "queries": [query]}
    # Superset fills in the dataset's id.
    return json.dumps({"datasource": {"id": 0, "type": "table"}, **given})


def _filters(chart: BoardChart, shown: str) -> list[dict[str, Any]]:
    simple: dict[str, Any] = {"clause": "WHERE", "expressionType": "SIMPLE"}
    found = []
    if chart.timed:
        found.append(simple | {"subject": chart.dataset.time, "operator": "TEMPORAL_RANGE", "comparator": shown})
    for column, values in chart.where:
        found.append(simple | {"subject": column, "operator": "IN", "comparator": list(values)})
    return found


def _as_filter(given: dict[str, Any]) -> dict[str, Any]:
    return {"col": given["subject"], "op": given["operator"], "val": given["comparator"]}


def _number(chart: BoardChart, *, change: bool) -> dict[str, Any]:
    colours = {"comparison_color_enabled": True, "comparison_color_scheme": "Red" if chart.less_is_better else "Green"}
    sizes = {"header_font_size": 0.4, "subheader_font_size": 0.125}
    # The change stands where the unit would.
    unit = {
        "y_axis_format": _format(chart),
        "percentDifferenceFormat": "+.1%",
        "subtitle": "" if change else _unit(chart),
    }
    before = {"time_compare": "inherit"} if change else {}
    return {"metric": chart.metric, **before, **colours, **sizes, **unit, **_money(chart)}


def _table(chart: BoardChart) -> dict[str, Any]:
    table = chart.dataset
    time = next((one for one in chart.by if table.column(one).temporal), "")
    settings = {
        "query_mode": "raw",
        "all_columns": list(chart.by),
        "order_by_cols": [json.dumps([time, False])] if time else [],
        "table_timestamp_format": "%Y-%m-%d %H:%M",
        "page_length": _PAGE if table.time else 0,
        "show_cell_bars": False,
    }
    return settings | {"column_config": {name: _cell(table, name) for name in chart.by if table.column(name).numeric}}


def _listed(chart: BoardChart) -> dict[str, Any]:
    return {
        "query_mode": "aggregate",
        "groupby": list(chart.by),
        "metrics": [chart.metric],
        "order_desc": True,
        "row_limit": _MOST_GROUPS,
        "show_cell_bars": True,
        "column_config": {chart.metric: {"d3NumberFormat": _format(chart)}},
    }


def _cell(table: Dataset, name: str) -> dict[str, Any]:
    column = table.column(name)
    whole = column.type in ("bigint", "integer")
    money = {"currencyFormat": _currency(column.unit)} if column.unit in CURRENCIES else {}
    return {"d3NumberFormat": ",d" if whole else ",.2f", **money}


def _format(chart: BoardChart) -> str:
    return ",.2f" if chart.unit in CURRENCIES else ",.4~f"


def _money(chart: BoardChart) -> dict[str, Any]:
    return {"currency_format": _currency(chart.unit)} if chart.unit in CURRENCIES else {}


def _currency(unit: str) -> dict[str, str]:
    return {"symbol": unit, "symbolPosition": "prefix"}


def _unit(chart: BoardChart) -> str:
    """In words; a currency has its sign at the numbers."""
    return "" if chart.unit in CURRENCIES else chart.unit
