"""Where charts are on a dashboard of Superset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etld.bi.model import BoardChart, Dashboard
    from etld.bi.superset.names import BundleNames

#: In Superset's eighths of a hundred pixels.
_HEIGHTS = {"number": 26, "table": 44}
_HEIGHT = 42
#: Of freshness and verdict, which are a few lines.
_LOW = 30


def position(board: Dashboard, names: BundleNames) -> dict[str, Any]:
    """The tree of rows and charts, by their ids."""
    rows = {f"ROW-{board.key}-{number}": row for number, row in enumerate(board.rows)}
    tree: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": list(rows), "parents": ["ROOT_ID"]},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": board.title}},
    }
    number = 0
    for row_id, row in rows.items():
        parents = ["ROOT_ID", "GRID_ID", row_id]
        cells = [f"CHART-{names.uuid('chart', chart.key)}" for chart in row]
        tree[row_id] = {
            "type": "ROW",
            "id": row_id,
            "children": cells,
            "parents": parents[:2],
            "meta": {"background": "BACKGROUND_TRANSPARENT"},
        }
        for cell, chart in zip(cells, row, strict=True):
            number += 1
            tree[cell] = {"type": "CHART", "id": cell, "children": [], "parents": parents, "meta": _meta(chart, names)}
            # Superset puts the chart's own id in its place.
            tree[cell]["meta"]["chartId"] = number
    return tree


def _meta(chart: BoardChart, names: BundleNames) -> dict[str, Any]:
    height = _HEIGHTS.get(chart.kind, _HEIGHT) if chart.timed else _LOW
    return {
        "uuid": names.uuid("chart", chart.key),
        "width": chart.width,
        "height": height,
        "sliceName": chart.title,
    }
