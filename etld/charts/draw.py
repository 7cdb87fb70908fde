"""Drawing with matplotlib's Agg canvas; no pyplot, so that nothing is kept between two charts."""

from __future__ import annotations

import io
import json
import math
import textwrap
from datetime import datetime
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from etld.charts.numbers import full, short, tick

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from etld.summaries.chart_model import Chart, Panel

# Past this, and below its inverse, the transforms of a figure overflow or have no inverse.
_LARGEST = 1e100
# A 16:9 slide, inches.
_WIDTH, _HEIGHT = 13.333, 7.5
_INK, _SOFT, _GRID = "#1f2933", "#66717d", "#e4e8ec"
# Told apart by colour-blind eyes too: Okabe and Ito's, darkened where white ground asks for it.
_PALETTE = (
    "#0072b2", "#e08e0b", "#009e73", "#cc5f9b", "#4aa3d9", "#d55e00",
    "#7b5ea7", "#8c8c2b", "#5b7083", "#a65628", "#2f8f8f", "#b23a48",
)  # fmt: skip
_OTHERS = "#a7b0b8"
_FONT: Any = {"font.family": "DejaVu Sans", "font.size": 12, "text.color": _INK, "axes.unicode_minus": False}


def render(chart: Chart, dpi: int, drawn_at: str) -> bytes:
    """The chart as a PNG; its numbers stand in the file's Description too, as JSON."""
    with mpl.rc_context(_FONT):
        figure = Figure(figsize=(_WIDTH, _HEIGHT), facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        engine = figure.get_layout_engine()
        assert engine is not None
        engine.set(rect=(0.015, 0.06, 0.97, 0.80), w_pad=0.12, h_pad=0.08, wspace=0.04)  # type: ignore[call-arg]
        figure.text(0.03, 0.955, _clip(chart.title, 60), fontsize=26, weight="bold", va="top")
        figure.text(0.03, 0.025, _clip(f"Source: {chart.source}. Drawn {drawn_at}.", 150), fontsize=10, color=_SOFT)
        _panels(figure, chart)
        out = io.BytesIO()
        description = json.dumps(chart.as_dict(), ensure_ascii=True)
        figure.savefig(
            out, format="png", dpi=dpi, metadata={"Title": chart.title, "Description": description, "Software": "etld"}
        )
        return out.getvalue()


def _panels(figure: Figure, chart: Chart) -> None:
    panels = chart.panels
    columns = min(3, len(panels)) if len(panels) != 4 else 2
    rows = -(-len(panels) // columns)
    colours = _colours(chart)
    order: dict[str, list[str]] = {}
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    for axis, panel in zip(axes, panels, strict=False):
        _heading(axis, panel, columns)
        if panel.empty:
            axis.set_axis_off()
            axis.text(
                0.5, 0.5, f"No {chart.title[:1].lower()}{_clip(chart.title[1:], 30)} yet",
                ha="center", va="center", fontsize=18, color=_SOFT, transform=axis.transAxes,
            )  # fmt: skip
        elif panel.kind == "donut":
            _donut(axis, panel, colours)
        elif panel.kind == "line":
            _lines(axis, panel)
        else:
            _bars(axis, panel, colours, order.setdefault(panel.by, [item.name for item in panel.items]), columns)


def _heading(axis: Axes, panel: Panel, columns: int) -> None:
    parts = []
    if panel.additive and panel.items:
        parts.append(f"total {full(panel.total, panel.unit)}")
    elif panel.unit and not panel.empty:
        parts.append(panel.unit)
    if panel.note:
        parts.append(panel.note)
    width = {1: 90, 2: 42, 3: 25}[columns]
    axis.set_title(_clip(panel.title, width), loc="left", fontsize=16, weight="bold", pad=30)
    axis.text(
        0, 1, ", ".join(parts) or " ", transform=axis.transAxes, fontsize=12, color=_SOFT, va="bottom",
        in_layout=False,
    ).set_position((0, 1.02))  # fmt: skip


def _bars(axis: Axes, panel: Panel, colours: dict[str, str], order: list[str], columns: int) -> None:
    """Bars that lie, because names are read that way, however many and long they are."""
    rank = {name: i for i, name in enumerate(order)}
    items = sorted(panel.items, key=lambda item: (item.name == "", rank.get(item.name, len(rank))))
    values = [_drawn(item.value) for item in items]
    places = range(len(items))
    axis.barh(places, values, height=0.62, color=[colours[item.name] for item in items], zorder=2)
    size = 13 if len(items) <= 6 else 11
    width = {1: 34, 2: 22, 3: 16}[columns]
    axis.set_yticks(places, [_wrapped(item.label, width, 2 if len(items) <= 8 else 1) for item in items], fontsize=size)
    # Few bars keep a bar's thickness instead of filling the panel.
    slots = max(len(items), 4)
    middle = (len(items) - 1) / 2
    axis.set_ylim(middle + slots / 2, middle - slots / 2)
    low, high = min(0.0, *values), max(0.0, *values)
    span = (high - low) or 1.0
    texts = [short(item.value, panel.unit) for item in items]
    # The share of the axis that the longest text takes, at one end or at both.
    want = min(0.35, max(len(text) for text in texts) * {1: 0.012, 2: 0.022, 3: 0.04}[columns] + 0.03)
    room = span * want / (1 - want * (2 if low < 0 else 1))
    axis.set_xlim(low - (room if low < 0 else 0), high + room)
    for place, value, text in zip(places, values, texts, strict=True):
        left = value < 0
        axis.annotate(
            text, (value, place), xytext=(-5 if left else 5, 0), textcoords="offset points",
            ha="right" if left else "left", va="center", fontsize=size, weight="bold", color=_INK,
        )  # fmt: skip
    _frame(axis, panel, axis.xaxis, ticks={1: 8, 2: 4, 3: 3}[columns])
    axis.grid(axis="x", color=_GRID, linewidth=0.9, zorder=0)
    axis.tick_params(axis="y", length=0)
    if low < 0:
        axis.axvline(0, color=_SOFT, linewidth=0.9)


def _donut(axis: Axes, panel: Panel, colours: dict[str, str]) -> None:
    values = [_drawn(item.value) for item in panel.items]
    total = panel.total
    paint = [colours[item.name] for item in panel.items]
    axis.pie(
        values, colors=paint, startangle=90, counterclock=False, radius=1.0,
        wedgeprops={"width": 0.36, "edgecolor": "white", "linewidth": 2},
    )  # fmt: skip
    axis.text(0, 0.06, short(total, panel.unit), ha="center", va="center", fontsize=26, weight="bold")
    if panel.unit and not short(total, panel.unit).startswith(("$", "€", "£", "¥")):
        axis.text(0, -0.2, panel.unit, ha="center", va="center", fontsize=13, color=_SOFT)
    names = [
        f"{_clip(item.label, 24)}   {short(item.value, panel.unit)}   ({_percent(item.value, total)})"
        for item in panel.items
    ]
    axis.legend(
        [Patch(color=one) for one in paint], names, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=1,
        frameon=False, fontsize=13, handlelength=1.0, handleheight=1.0,
    )  # fmt: skip


def _lines(axis: Axes, panel: Panel) -> None:
    for i, line in enumerate(panel.lines):
        # matplotlib's dates are untyped.
        days = [float(date2num(datetime.fromisoformat(at))) for at, _ in line.points]  # type: ignore[no-untyped-call]
        values = [_drawn(value) for _, value in line.points]
        marker = "o" if len(days) <= 40 else ""
        axis.plot(
            days, values, color=_PALETTE[i % len(_PALETTE)], linewidth=2.2, marker=marker, markersize=5,
            label=_clip(line.label, 24),
        )  # fmt: skip
    locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    _frame(axis, panel, axis.yaxis, ticks=6)
    axis.grid(axis="y", color=_GRID, linewidth=0.9)
    values = [_drawn(value) for line in panel.lines for _, value in line.points]
    low, high = axis.get_xlim()
    if len({at for line in panel.lines for at, _ in line.points}) == 1:
        middle = (low + high) / 2
        axis.set_xlim(middle - 0.5, middle + 0.5)
    if min(values) >= 0:
        axis.set_ylim(0, max(values) * 1.1 or 1)
    if any(line.label for line in panel.lines):
        axis.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, frameon=False, fontsize=12, handlelength=1.4
        )


def _frame(axis: Axes, panel: Panel, values: object, ticks: int) -> None:
    for side in ("top", "right", "left", "bottom"):
        axis.spines[side].set_visible(False)
    axis.tick_params(axis="x", colors=_SOFT, labelsize=11, length=0)
    axis.tick_params(axis="y", colors=_INK if values is axis.xaxis else _SOFT, length=0)
    values.set_major_locator(MaxNLocator(ticks, integer=_whole(panel)))  # type: ignore[attr-defined]
    values.set_major_formatter(FuncFormatter(lambda value, _: tick(value, panel.unit)))  # type: ignore[attr-defined]
    axis.set_axisbelow(True)


def _whole(panel: Panel) -> bool:
    values = [item.value for item in panel.items] + [value for line in panel.lines for _, value in line.points]
    return all(_drawn(value).is_integer() for value in values)


def _drawn(value: float) -> float:
    """The value as far as matplotlib can place it; its text stays exact."""
    if math.isnan(value) or abs(value) < 1 / _LARGEST:
        return 0.0
    return float(max(-_LARGEST, min(value, _LARGEST)))


def _colours(chart: Chart) -> dict[str, str]:
    """A colour for each name, the same in every panel of the chart and at every drawing."""
    names = sorted({item.name for panel in chart.panels for item in panel.items if item.name})
    return {"": _OTHERS} | {name: _PALETTE[i % len(_PALETTE)] for i, name in enumerate(names)}


def _percent(value: float, total: float) -> str:
    share = 100 * value / total if total else 0.0
    return "<1 %" if 0 < share < 0.5 else f"{share:.0f} %"


def _wrapped(text: str, width: int, most: int) -> str:
    """At most `most` lines; names with underscores break there too."""
    pieces = textwrap.wrap(_safe(text).replace("_", "_\u200b").replace("\u200b", " \u200b"), width=width + 2)
    joined = [piece.replace(" \u200b", "").replace("\u200b", "") for piece in pieces] or [""]
    if len(joined) > most:
        joined = joined[:most]
        joined[-1] = joined[-1][: width - 1].rstrip("_ ") + "…"
    return "\n".join(_clip(line, width + 2) for line in joined)


def _clip(text: str, width: int) -> str:
    text = _safe(text)
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def _safe(text: str) -> str:
    # A dollar sign would begin mathematics, a control character draws a box.
    return "".join(c if c.isprintable() else " " for c in text).replace("$", r"\$")
