"""What the kinds of panels share: colours, order and the look of their axes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter, MaxNLocator

from etld.charts import palette
from etld.charts.numbers import tick

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from etld.summaries.chart_model import Panel

# Past this, and below its inverse, the transforms of a figure overflow or have no inverse.
_LARGEST = 1e100


@dataclass(frozen=True, slots=True)
class ChartStyle:
    """What the panels of one chart share.

    Colours by name, and in turn for what has none; panels in a row, 1 to 3; the order of names by group column, so
    that two panels of bars show the same groups in the same places.
    """

    colours: Mapping[str, str]
    columns: int
    series: Sequence[str] = palette.SERIES
    orders: dict[str, list[str]] = field(default_factory=dict)


def placeable(value: float) -> float:
    """The value as far as matplotlib can place it; its text stays exact."""
    if math.isnan(value) or abs(value) < 1 / _LARGEST:
        return 0.0
    return float(max(-_LARGEST, min(value, _LARGEST)))


def frame(axes: Axes, panel: Panel, values: Axis, ticks: int) -> None:
    """No frame, soft labels, and about `ticks` ticks with the panel's unit on the axis of its values."""
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="x", colors=palette.SOFT, labelsize=11, length=0)
    axes.tick_params(axis="y", colors=palette.INK if values is axes.xaxis else palette.SOFT, length=0)
    values.set_major_locator(MaxNLocator(ticks, integer=_all_whole(panel)))
    values.set_major_formatter(FuncFormatter(lambda value, _: tick(value, panel.unit)))
    axes.set_axisbelow(True)


def _all_whole(panel: Panel) -> bool:
    values = [item.value for item in panel.items] + [value for line in panel.lines for _, value in line.points]
    return all(placeable(value).is_integer() for value in values)
