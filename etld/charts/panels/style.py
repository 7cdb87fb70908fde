"""What the kinds of panels share: colours, order and the look of their axes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter, MaxNLocator

from etld.charts import palette
from etld.charts.numbers import NumberForm, form_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from etld.summaries.chart_model import Panel

# Past this, and below its inverse, the transforms of a figure overflow or have no inverse.
_LARGEST = 1e100


@dataclass(frozen=True, slots=True)
class ChartStyle:
    """What the panels of one chart share.

    Colours by group column and name; panels in a row, 1 to 3, and rows of them; the order of names by group column,
    so that two panels of bars show the same groups in the same places. `after_layout` is done when every panel has
    its place: for what has to fit in it.
    """

    colours: Mapping[tuple[str, str], str]
    columns: int
    rows: int = 1
    orders: dict[str, list[str]] = field(default_factory=dict)
    after_layout: list[Callable[[], None]] = field(default_factory=list)

    def colour(self, panel: Panel, name: str) -> str:
        """Of a value of the panel's group column; a line over all of them has the ink's, what is summed up is grey."""
        if not panel.by:
            return palette.INK
        return self.colours.get((panel.by, name), palette.OTHERS)


def placeable(value: float) -> float:
    """The value as far as matplotlib can place it; its text stays exact."""
    if math.isnan(value) or abs(value) < 1 / _LARGEST:
        return 0.0
    return float(max(-_LARGEST, min(value, _LARGEST)))


def number_form(panel: Panel) -> NumberForm:
    """One form for all numbers of a panel, its total among them."""
    values = [item.value for item in panel.items]
    values += [value for line in panel.lines for _, value in line.points if value is not None]
    if panel.additive:
        values.append(panel.total)
    return form_of(values, panel.unit)


def frame(axes: Axes, panel: Panel, values: Axis, ticks: int) -> None:
    """No frame, soft labels, and about `ticks` ticks with the panel's unit on the axis of its values."""
    form = number_form(panel)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="x", colors=palette.SOFT, labelsize=11, length=0)
    axes.tick_params(axis="y", colors=palette.INK if values is axes.xaxis else palette.SOFT, length=0)
    values.set_major_locator(MaxNLocator(ticks, integer=_all_whole(panel)))
    values.set_major_formatter(FuncFormatter(lambda value, _: form.tick(value)))
    axes.set_axisbelow(True)


def _all_whole(panel: Panel) -> bool:
    values = [item.value for item in panel.items] + [value for line in panel.lines for _, value in line.points]
    return all(value is None or placeable(value).is_integer() for value in values)
