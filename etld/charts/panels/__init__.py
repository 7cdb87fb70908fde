"""How each kind of panel is drawn. A new kind is a file here and a line below, and one in summaries/chart_model.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etld.charts.panels import bar, donut, line

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from etld.charts.panels.style import ChartStyle
    from etld.summaries.chart_model import Panel

DRAWERS: Final[dict[str, Callable[[Axes, Panel, ChartStyle], None]]] = {
    "bar": bar.draw,
    "donut": donut.draw,
    "line": line.draw,
}
