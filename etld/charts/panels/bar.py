"""Bars that lie, because names are read that way, however many and long they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.charts import palette
from etld.charts.labels import distinct, wrapped
from etld.charts.panels.style import ChartStyle, frame, number_form, placeable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from etld.summaries.chart_model import Item, Panel


def draw(axes: Axes, panel: Panel, style: ChartStyle) -> None:
    """The items in the order that the first panel of this group column has, what is summed up last."""
    order = style.orders.setdefault(panel.by, [item.name for item in panel.items])
    rank = {name: i for i, name in enumerate(order)}
    items = sorted(panel.items, key=lambda item: (item.name == "", rank.get(item.name, len(rank))))
    values = [placeable(item.value) for item in items]
    places = range(len(items))
    axes.barh(places, values, height=0.62, color=[style.colour(panel, item.name) for item in items], zorder=2)
    size = 13 if len(items) <= 6 else 11
    width = {1: 34, 2: 22, 3: 16}[style.columns]
    most = 2 if len(items) <= 8 // style.rows else 1
    labels = distinct([item.label for item in items], lambda text: wrapped(text, width, most), width * most)
    axes.set_yticks(places, labels, fontsize=size)
    # Few bars keep a bar's thickness instead of filling the panel.
    slots = max(len(items), 4)
    middle = (len(items) - 1) / 2
    axes.set_ylim(middle + slots / 2, middle - slots / 2)
    _label_values(axes, panel, items, values, columns=style.columns, size=size)
    frame(axes, panel, axes.xaxis, ticks={1: 8, 2: 4, 3: 3}[style.columns])
    axes.grid(axis="x", color=palette.GRID, linewidth=0.9, zorder=0)
    axes.tick_params(axis="y", length=0)
    if min(values) < 0:
        axes.axvline(0, color=palette.SOFT, linewidth=0.9)


def _label_values(
    axes: Axes, panel: Panel, items: Sequence[Item], values: Sequence[float], *, columns: int, size: int
) -> None:
    """The value at the end of each bar, and room for it on the axis."""
    low, high = min(0.0, *values), max(0.0, *values)
    span = (high - low) or 1.0
    form = number_form(panel)
    texts = [form.text(item.value) for item in items]
    # The share of the axis that the longest text takes, at one end or at both.
    want = min(0.4, max(len(text) for text in texts) * {1: 0.012, 2: 0.022, 3: 0.04}[columns] + 0.03)
    room = span * want / (1 - want * (2 if low < 0 else 1))
    axes.set_xlim(low - (room if low < 0 else 0), high + room)
    for place, (value, text) in enumerate(zip(values, texts, strict=True)):
        left = value < 0
        axes.annotate(
            text, (value, place), xytext=(-5 if left else 5, 0), textcoords="offset points",
            ha="right" if left else "left", va="center", fontsize=size, weight="bold", color=palette.INK,
        )  # fmt: skip
