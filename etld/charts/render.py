"""A chart as a PNG, on matplotlib's Agg canvas; without pyplot, so that nothing is kept between two charts."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from etld.charts import palette
from etld.charts.labels import clipped, distinct
from etld.charts.panels import DRAWERS
from etld.charts.panels.style import ChartStyle, number_form

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from etld.summaries.chart_model import Chart, Panel

# A 16:9 slide, inches.
_WIDTH, _HEIGHT = 13.333, 7.5
# More rows of panels than this make it higher.
_ROWS = 2
_FONT: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "text.color": palette.INK,
    "axes.unicode_minus": False,
}


def render(chart: Chart, dpi: int, drawn_at: str) -> bytes:
    """The chart as a PNG; its numbers stand in the file's Description too, as JSON."""
    with mpl.rc_context(_FONT):
        figure = Figure(figsize=(_WIDTH, _HEIGHT), facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        engine = figure.get_layout_engine()
        assert engine is not None
        engine.set(rect=(0.015, 0.06, 0.97, 0.80), w_pad=0.12, h_pad=0.08, wspace=0.04)  # type: ignore[call-arg]
        figure.text(0.03, 0.955, clipped(chart.title, 60), fontsize=26, weight="bold", va="top")
        source = clipped(f"Source: {chart.source}. Drawn {drawn_at}.", 150)
        figure.text(0.03, 0.025, source, fontsize=10, color=palette.SOFT)
        style = _draw_panels(figure, chart)
        if style.after_layout:
            figure.draw_without_rendering()
            for fit in style.after_layout:
                fit()
        out = io.BytesIO()
        description = json.dumps(chart.as_dict(), ensure_ascii=True)
        figure.savefig(
            out, format="png", dpi=dpi, metadata={"Title": chart.title, "Description": description, "Software": "etld"}
        )
        return out.getvalue()


def _draw_panels(figure: Figure, chart: Chart) -> ChartStyle:
    panels = chart.panels
    columns = min(3, len(panels)) if len(panels) != 4 else 2
    rows = -(-len(panels) // columns)
    if rows > _ROWS:
        figure.set_figheight(_HEIGHT * rows / _ROWS)
    names = [(panel.by, item.name) for panel in panels for item in panel.items]
    names += [(panel.by, line.name) for panel in panels for line in panel.lines if panel.by]
    style = ChartStyle(palette.by_name(names), columns, rows)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    width = {1: 90, 2: 42, 3: 25}[columns]
    titles = distinct([panel.title for panel in panels], lambda text: clipped(text, width), width)
    for axes, panel, title in zip(places, panels, titles, strict=False):
        _heading(axes, panel, title)
        if panel.empty:
            _say_empty(axes, chart)
        else:
            DRAWERS[panel.kind](axes, panel, style)
    return style


def _heading(axes: Axes, panel: Panel, title: str) -> None:
    parts = []
    if panel.additive and panel.items:
        parts.append(f"total {number_form(panel).total(panel.total)}".replace("$", r"\$"))
    elif panel.unit and not panel.empty:
        parts.append(panel.unit)
    if panel.note:
        parts.append(panel.note)
    axes.set_title(title, loc="left", fontsize=16, weight="bold", pad=30)
    axes.text(
        0, 1, ", ".join(parts) or " ", transform=axes.transAxes, fontsize=12, color=palette.SOFT, va="bottom",
        in_layout=False,
    ).set_position((0, 1.02))  # fmt: skip


def _say_empty(axes: Axes, chart: Chart) -> None:
    axes.set_axis_off()
    axes.text(
        0.5, 0.5, f"No {chart.title[:1].lower()}{clipped(chart.title[1:], 30)} {chart.window or 'yet'}",
        ha="center", va="center", fontsize=18, color=palette.SOFT, transform=axes.transAxes,
    )  # fmt: skip
