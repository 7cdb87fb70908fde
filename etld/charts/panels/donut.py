"""A donut: shares of a total that stands in its middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.patches import Patch

from etld.charts import palette
from etld.charts.labels import clipped, percent
from etld.charts.numbers import short
from etld.charts.panels.style import ChartStyle, placeable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from etld.summaries.chart_model import Panel


def draw(axes: Axes, panel: Panel, style: ChartStyle) -> None:
    """Slices clockwise from the top, the largest first, with a legend below."""
    total = panel.total
    colours = [style.colours[item.name] for item in panel.items]
    axes.pie(
        [placeable(item.value) for item in panel.items], colors=colours, startangle=90, counterclock=False, radius=1.0,
        wedgeprops={"width": 0.36, "edgecolor": "white", "linewidth": 2},
    )  # fmt: skip
    axes.text(0, 0.06, short(total, panel.unit), ha="center", va="center", fontsize=26, weight="bold")
    if panel.unit and not short(total, panel.unit).startswith(("$", "€", "£", "¥")):
        axes.text(0, -0.2, panel.unit, ha="center", va="center", fontsize=13, color=palette.SOFT)
    names = [
        f"{clipped(item.label, 24)}   {short(item.value, panel.unit)}   ({percent(item.value, total)})"
        for item in panel.items
    ]
    axes.legend(
        [Patch(color=colour) for colour in colours], names, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=1,
        frameon=False, fontsize=13, handlelength=1.0, handleheight=1.0,
    )  # fmt: skip
