"""Panels of charts as shapes for SVG: places and texts, no colours and no markup."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etld.charts.numbers import form_of
from etld.util.text import thousands

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etld.summaries.chart_model import Line, Panel

    Numbers = Mapping[tuple[str, str], int]

#: Of the whole picture, and of what stands around the lines.
WIDTH, HEIGHT = 640.0, 220.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 12.0, 10.0, 24.0
_TICKS = 4
#: Points of one line: more cannot be told apart.
_MOST_POINTS = 400
_DAY = 86_400.0
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid, where it is, and what stands beside it."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A value of a line: where, and when and how much in words."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Curve:
    """One line: `path` is that of SVG, in pieces where there are gaps; `number` tells its colour."""

    number: int
    label: str
    path: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One item: how long its bar is, of 100, and its value and share in words."""

    number: int
    label: str
    length: float
    value: str
    share: str = ""


@dataclass(frozen=True, slots=True)
class DrawnPanel:
    """A panel with either curves or bars; with neither there is nothing to show."""

    title: str
    unit: str
    note: str
    curves: tuple[Curve, ...] = ()
    bars: tuple[Bar, ...] = ()
    rows: tuple[Tick, ...] = ()
    columns: tuple[Tick, ...] = ()


def drawn(panels: Sequence[Panel]) -> list[DrawnPanel]:
    """The shapes of the panels of a chart that show something; what has one name has one number in all of them."""
    names = {(panel.by, line.name) for panel in panels for line in panel.lines}
    names |= {(panel.by, item.name) for panel in panels for item in panel.items}
    numbers = {name: number for number, name in enumerate(sorted(names))}
    return [(_lines if panel.lines else _bars)(panel, numbers) for panel in panels if not panel.empty]


def _bars(panel: Panel, numbers: Numbers) -> DrawnPanel:
    largest = max((abs(item.value) for item in panel.items), default=0.0) or 1.0
    total = panel.total if panel.additive and all(item.value >= 0 for item in panel.items) else 0.0
    bars = tuple(
        Bar(
            numbers[panel.by, item.name],
            item.label,
            round(abs(item.value) / largest * 100, 2),
            amount(item.value),
            f"{item.value / total:.1%}" if total else "",
        )
        for item in panel.items
    )
    return DrawnPanel(panel.title, panel.unit, panel.note, bars=bars)


def _lines(panel: Panel, numbers: Numbers) -> DrawnPanel:
    lines, note = _thinned(panel)
    times = [_seconds(at) for line in lines for at, _ in line]
    values = [value for line in lines for _, value in line if value is not None]
    begin, end = (map(_seconds, panel.span)) if panel.span else (min(times), max(times))
    low, high, step = _scale(min(values, default=0.0), max(values, default=1.0))

    def x(at: float) -> float:
        part = (at - begin) / (end - begin) if end > begin else 0.5
        return round(_LEFT + part * (WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM), 1)

    curves = []
    for line, points in zip(panel.lines, lines, strict=True):
        placed = [None if value is None else (x(_seconds(at)), y(value)) for at, value in points]
        dots = [
            Dot(*where, f"{_when(at)}: {amount(value)}")
            for where, (at, value) in zip(placed, points, strict=True)
            if where is not None and value is not None
        ]
        curves.append(Curve(numbers[panel.by, line.name], line.label, _path(placed), tuple(dots)))
    count = round((high - low) / step)
    form = form_of([low, high])
    rows = tuple(Tick(y(low + n * step), form.tick(low + n * step)) for n in range(count + 1))
    columns = tuple(Tick(x(at), _tick(at, end - begin)) for at in _times(begin, end))
    return DrawnPanel(panel.title, panel.unit, note, tuple(curves), rows=rows, columns=columns)


def _thinned(panel: Panel) -> tuple[list[Sequence[tuple[str, float | None]]], str]:
    """The points of each line: sums of several where there are too many, or every n-th where sums say nothing."""
    most = max(len(line.points) for line in panel.lines)
    every = math.ceil(most / _MOST_POINTS)
    if every <= 1:
        return [line.points for line in panel.lines], panel.note
    how = f"{every} buckets a point" if panel.additive else f"one bucket in {every}"
    thin = _summed if panel.additive else _every
    return [thin(line, every) for line in panel.lines], "; ".join(filter(None, (panel.note, how)))


def _summed(line: Line, count: int) -> list[tuple[str, float | None]]:
    found: list[tuple[str, float | None]] = []
    for start in range(0, len(line.points), count):
        group = line.points[start : start + count]
        values = [value for _, value in group if value is not None]
        found.append((group[0][0], sum(values) if values else None))
    return found


def _every(line: Line, count: int) -> list[tuple[str, float | None]]:
    return list(line.points[::count])


def _path(placed: Sequence[tuple[float, float] | None]) -> str:
    """SVG's path: a new piece after each gap."""
    out, pen_up = [], True
    for where in placed:
        if where is not None:
            out.append(f"{'M' if pen_up else 'L'}{where[0]:g} {where[1]:g}")
        pen_up = where is None
    return "".join(out)


def _scale(least: float, most: float) -> tuple[float, float, float]:
    """Where the axis begins and ends, and its step: round numbers around all values and 0."""
    least, most = min(least, 0.0), max(most, 0.0)
    if not (math.isfinite(least) and math.isfinite(most)):
        return 0.0, 1.0, 1.0
    rough = (most - least or 1.0) / _TICKS
    size = 10 ** math.floor(math.log10(rough))
    step = next(n * size for n in (1, 2, 2.5, 5, 10) if n * size >= rough * 0.999)
    low, high = math.floor(least / step) * step, math.ceil(most / step) * step
    return low, (high if high > low else low + step), step


def _times(begin: float, end: float) -> list[float]:
    """Some round moments."""
    span = end - begin
    steps = (60, 300, 900, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY, 30 * _DAY, 91 * _DAY)
    step = next((one for one in steps if span / one <= 7), 365 * _DAY)
    first = math.ceil(begin / step) * step
    return [first + n * step for n in range(int((end - first) // step) + 1)] if span else [begin]


def _tick(at: float, span: float) -> str:
    return _moment(at).strftime("%H:%M" if span <= 2 * _DAY else "%d %b" if span <= 300 * _DAY else "%b %Y")


def _when(at: str) -> str:
    return at.replace("T", " ")[:16]


def _seconds(at: str) -> float:
    """By the clock of the buckets, whichever that is."""
    return datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def amount(value: float) -> str:
    """A number with as many decimals as it needs, at most two."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) or abs(value) >= 1e6:
        return thousands(round(value))
    return thousands(value, 2 if abs(value) >= 0.01 else 6)
