"""Lines over time."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

from etld.charts import palette
from etld.charts.labels import clipped, distinct
from etld.charts.panels.style import ChartStyle, frame, placeable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from etld.summaries.chart_model import Panel


# More points than this of a line have no marker of their own.
_MOST_MARKERS = 40


def draw(axes: Axes, panel: Panel, style: ChartStyle) -> None:
    """One line a group, with a legend below when they have names."""
    width = {1: 40, 2: 24, 3: 30}[style.columns]
    labels = distinct([line.label for line in panel.lines], lambda text: clipped(text, width), width)
    for line, label in zip(panel.lines, labels, strict=True):
        days = [_day(at) for at, _ in line.points]
        values = [math.nan if value is None else placeable(value) for _, value in line.points]
        axes.plot(
            days, values, color=style.colour(panel, line.name), linewidth=2.2, marker="o", markersize=5, label=label,
            markevery=list(range(len(days))) if len(days) <= _MOST_MARKERS else _alone(values),
        )  # fmt: skip
    locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    frame(axes, panel, axes.yaxis, ticks=6)
    axes.grid(axis="y", color=palette.GRID, linewidth=0.9)
    if panel.span is not None:
        first, last = map(_day, panel.span)
        margin = 0.03 * (last - first) or 0.5
        axes.set_xlim(first - margin, last + margin)
    values = [placeable(value) for line in panel.lines for _, value in line.points if value is not None]
    if min(values) >= 0:
        axes.set_ylim(0, max(values) * 1.1 or 1)
    if any(line.label for line in panel.lines):
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.1),
            ncols=1 if style.columns == 3 else 2,
            frameon=False,
            fontsize=12,
            handlelength=1.4,
        )


def _day(at: str) -> float:
    # matplotlib's dates are untyped.
    return float(date2num(datetime.fromisoformat(at)))  # type: ignore[no-untyped-call]


def _alone(values: Sequence[float]) -> list[int]:
    """The points between two gaps, which no line shows."""
    around = [math.nan, *values, math.nan]
    return [
        i
        for i, value in enumerate(values)
        if math.isnan(around[i]) and math.isnan(around[i + 2]) and not math.isnan(value)
    ]
