"""A donut: shares of a total that stands in its middle."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from matplotlib.patches import Patch

from etld.charts import palette
from etld.charts.labels import clipped, distinct, percent
from etld.charts.panels.style import ChartStyle, number_form, placeable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

    from etld.summaries.chart_model import Panel

_RING = 0.36
# How much of the hole its texts may take, and the smallest size, in points, in which they are read.
_FILLED, _SMALLEST = 0.9, 7.0


def draw(axes: Axes, panel: Panel, style: ChartStyle) -> None:
    """Slices clockwise from the top, the largest first, with a legend below."""
    total, form = panel.total, number_form(panel)
    colours = [style.colour(panel, item.name) for item in panel.items]
    axes.pie(
        [placeable(item.value) for item in panel.items], colors=colours, startangle=90, counterclock=False, radius=1.0,
        wedgeprops={"width": _RING, "edgecolor": "white", "linewidth": 2},
    )  # fmt: skip
    inside = [axes.text(0, 0.06, form.text(total), ha="center", va="center", fontsize=26, weight="bold")]
    if panel.unit and not form.sign:
        inside.append(axes.text(0, -0.2, panel.unit, ha="center", va="center", fontsize=13, color=palette.SOFT))
    for text in inside:
        text.set_in_layout(False)
        style.after_layout.append(partial(_fit, axes, text))
    width = {1: 40, 2: 26, 3: 16}[style.columns]
    labels = distinct([item.label for item in panel.items], lambda text: clipped(text, width), width)
    names = [
        f"{label}   {form.text(item.value)}   ({percent(item.value, total)})".replace("   $", r"   \$")
        for label, item in zip(labels, panel.items, strict=True)
    ]
    axes.legend(
        [Patch(color=colour) for colour in colours], names, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=1,
        frameon=False, fontsize={1: 13, 2: 13, 3: 11}[style.columns], handlelength=1.0, handleheight=1.0,
    )  # fmt: skip


def _fit(axes: Axes, text: Text) -> None:
    """Make a text small enough for the hole, and shorter when that is not enough."""
    centre, edge = axes.transData.transform([(0.0, 0.0), (1.0 - _RING, 0.0)])
    room = _FILLED * float(edge[0] - centre[0])
    for _ in range(3):
        box = text.get_window_extent()
        far = max(math.hypot(x - centre[0], y - centre[1]) for x in (box.x0, box.x1) for y in (box.y0, box.y1))
        if far <= room:
            return
        size, share = float(text.get_fontsize()), room / far
        if size * share >= _SMALLEST:
            text.set_fontsize(size * share * 0.98)
        else:
            text.set_fontsize(_SMALLEST)
            text.set_text(clipped(text.get_text(), max(2, int(len(text.get_text()) * share * size / _SMALLEST * 0.95))))
