"""Superset's bundle of assets: a file for each database, dataset, chart and dashboard.

The files are JSON, which is YAML too. They hold no password: whoever imports them gives it.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

from etld.bi.address import MASK
from etld.bi.as_text import as_text, plain
from etld.bi.superset import charts
from etld.bi.superset.layout import position
from etld.bi.superset.names import BundleNames
from etld.charts import palette

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.bi.address import DatabaseAddress
    from etld.bi.model import BoardChart, Dashboard, Dashboards, Dataset, DatasetColumn

#: The path of the database's file, by which its password is given.
DATABASE_FILE = "databases/etld.yaml"
_VERSION = "1.0.0"
# Sorted and dated alike, so that the same configuration gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
# A manager's page may be a minute old, and the database is asked less.
_CACHE_SECONDS = 60


def files(
    made: Dashboards, address: DatabaseAddress, project: str, password: str = MASK, *, change: bool = False
) -> dict[str, str]:
    """Every file of the bundle, by its path in it. `project` is what the database is called in Superset.

    `change`: big numbers with the change to the period before, which not every Superset has.
    """
    names = BundleNames(project)
    ranges = {chart.key: charts.time_range(board.last) for board in made.dashboards for chart in board.charts}
    found: dict[str, Any] = {
        "metadata.yaml": {"version": _VERSION, "type": "assets", "timestamp": "2000-01-01T00:00:00+00:00"},
        DATABASE_FILE: _database(address, names, password),
    }
    for table in made.datasets:
        found[f"datasets/etld/{plain(table.key)}.yaml"] = _dataset(table, names)
    for chart in made.charts:
        found[f"charts/{plain(chart.key)}.yaml"] = _chart(chart, names, ranges[chart.key], change=change)
    for board in made.dashboards:
        found[f"dashboards/{plain(board.key)}.yaml"] = _dashboard(board, names, made)
    return {path: as_text(given) for path, given in found.items()}


def zipped(given: Mapping[str, str]) -> bytes:
    """The files as one, below a folder, as Superset exports them."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(given):
            archive.writestr(zipfile.ZipInfo(f"etld/{path}", _DATE), given[path])
    return out.getvalue()


def _database(address: DatabaseAddress, names: BundleNames, password: str) -> dict[str, Any]:
    return {
        "database_name": names.project,
        "sqlalchemy_uri": address.uri(password),
        "cache_timeout": _CACHE_SECONDS,
        "expose_in_sqllab": True,
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_csv_upload": False,
        # Times are compared as UTC, whatever the server's own zone.
        "extra": {
            "engine_params": {"connect_args": {"options": "-c timezone=UTC", "application_name": "superset"}},
            "metadata_params": {},
            "schemas_allowed_for_file_upload": [],
        },
        "uuid": names.uuid("database", "etld"),
        "version": _VERSION,
    }


def _dataset(table: Dataset, names: BundleNames) -> dict[str, Any]:
    return {
        "table_name": table.table,
        "schema": table.schema,
        "main_dttm_col": table.time or None,
        "description": f"{table.title}. {table.description}",
        "offset": 0,
        "cache_timeout": None,
        "sql": None,
        "params": None,
        "filter_select_enabled": True,
        "uuid": names.uuid("dataset", table.key),
        "database_uuid": names.uuid("database", "etld"),
        "metrics": [
            {
                "metric_name": one.name,
                "verbose_name": one.label,
                "metric_type": None,
                "expression": one.expression,
                "description": one.description,
            }
            for one in table.metrics
        ],
        "columns": [_column(table, one) for one in table.columns],
        "version": _VERSION,
    }


def _column(table: Dataset, column: DatasetColumn) -> dict[str, Any]:
    return {
        "column_name": column.name,
        "verbose_name": column.label,
        # A time of a table that is of now is no time to choose by.
        "is_dttm": column.temporal and bool(table.time),
        "is_active": True,
        "type": column.type.upper(),
        "groupby": True,
        "filterable": True,
        "expression": column.expression or None,
        "description": column.description,
    }


def _chart(chart: BoardChart, names: BundleNames, shown: str, *, change: bool) -> dict[str, Any]:
    params = charts.params(chart, shown, change=change)
    return {
        "slice_name": chart.title,
        "description": chart.dataset.description,
        "viz_type": params["viz_type"],
        "params": params,
        "query_context": charts.query_context(chart, params),
        "cache_timeout": None,
        "uuid": names.uuid("chart", chart.key),
        "version": _VERSION,
        "dataset_uuid": names.uuid("dataset", chart.dataset.key),
    }


def _dashboard(board: Dashboard, names: BundleNames, made: Dashboards) -> dict[str, Any]:
    metrics = {one.label: palette.SERIES[0] for table in made.datasets for one in table.metrics}
    return {
        "dashboard_title": board.title if names.project == board.title else f"{names.project}: {board.title}",
        "description": board.description,
        "css": "",
        "slug": names.slug(board.key),
        "uuid": names.uuid("dashboard", board.key),
        "published": True,
        "position": position(board, names),
        "metadata": {
            "native_filter_configuration": _filters(board, names),
            "label_colors": {**metrics, **made.colours},
            "color_scheme": "supersetColors",
            "cross_filters_enabled": True,
            "refresh_frequency": 0,
            "timed_refresh_immune_slices": [],
            "expanded_slices": {},
        },
        "version": _VERSION,
    }


def _filters(board: Dashboard, names: BundleNames) -> list[dict[str, Any]]:
    shown = charts.time_range(board.last)
    time = _filter(board, names, "Time", "filter_time", {})
    time["defaultDataMask"] = {"filterState": {"value": shown}, "extraFormData": {"time_range": shown}}
    timed = next((chart.dataset for chart in board.charts if chart.timed), None)
    step = [] if timed is None else [("Step of time", "filter_timegrain", {"datasetUuid": _uuid(timed, names)})]
    chosen: list[tuple[str, str, dict[str, Any]]] = [
        (one.title, "filter_select", {"column": {"name": one.column}, "datasetUuid": _uuid(one.dataset, names)})
        for one in board.filters
    ]
    return [time, *(_filter(board, names, *one) for one in (*step, *chosen))]


def _uuid(table: Dataset, names: BundleNames) -> str:
    return names.uuid("dataset", table.key)


def _filter(board: Dashboard, names: BundleNames, title: str, kind: str, target: dict[str, Any]) -> dict[str, Any]:
    controls = {"enableEmptyFilter": False}
    if kind == "filter_select":
        controls |= {"multiSelect": True, "defaultToFirstItem": False, "inverseSelection": False}
    return {
        "id": f"NATIVE_FILTER-{names.uuid('filter', f'{board.key}/{title}')[:13]}",
        "type": "NATIVE_FILTER",
        "name": title,
        "filterType": kind,
        "targets": [target],
        "defaultDataMask": {"filterState": {}, "extraFormData": {}, "ownState": {}},
        "controlValues": controls,
        "cascadeParentIds": [],
        "scope": {"rootPath": ["ROOT_ID"], "excluded": []},
        "description": "",
    }
