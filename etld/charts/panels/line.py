"""Lines over time."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

from etld.charts import palette
from etld.charts.labels import clipped
from etld.charts.panels.style import ChartStyle, frame, placeable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from etld.summaries.chart_model import Panel


def draw(axes: Axes, panel: Panel, style: ChartStyle) -> None:
    """One line a group, with a legend below when they have names."""
    for i, line in enumerate(panel.lines):
        # matplotlib's dates are untyped.
        days = [float(date2num(datetime.fromisoformat(at))) for at, _ in line.points]  # type: ignore[no-untyped-call]
        axes.plot(
            days, [placeable(value) for _, value in line.points], color=style.series[i % len(style.series)],
            linewidth=2.2, marker="o" if len(days) <= 40 else "", markersize=5, label=clipped(line.label, 24),
        )  # fmt: skip
    locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    frame(axes, panel, axes.yaxis, ticks=6)
    axes.grid(axis="y", color=palette.GRID, linewidth=0.9)
    low, high = axes.get_xlim()
    if len({at for line in panel.lines for at, _ in line.points}) == 1:
        middle = (low + high) / 2
        axes.set_xlim(middle - 0.5, middle + 0.5)
    values = [placeable(value) for line in panel.lines for _, value in line.points]
    if min(values) >= 0:
        axes.set_ylim(0, max(values) * 1.1 or 1)
    if any(line.label for line in panel.lines):
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, frameon=False, fontsize=12, handlelength=1.4
        )
