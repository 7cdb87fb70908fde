"""What a chart shows, as plain data; pure, and free of matplotlib."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from etld.util.text import thousands

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class PanelKind:
    """A kind of panel; `most`: more items or lines than this cannot be read on a slide.

    `over_time`: a value for each bucket rather than one over all of them. `shares`: parts of a whole.
    """

    most: int
    over_time: bool = False
    shares: bool = False


#: A new kind is a line here and in the configuration's `PanelSection`, and a file in charts/panels/.
PANEL_KINDS: Final = {
    "bar": PanelKind(most=12),
    "donut": PanelKind(most=6, shares=True),
    "line": PanelKind(most=6, over_time=True),
}


@dataclass(frozen=True, slots=True)
class Buckets:
    """The buckets of a line, `width` seconds each: what an empty one shows, None for a gap, and the span of all.

    Without a `span` it is that of the rows.
    """

    width: int
    empty: float | None = None
    span: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One bar or slice."""

    name: str
    label: str
    value: float


@dataclass(frozen=True, slots=True)
class Line:
    """One line: (ISO time, value), in time order; None breaks it. Without a name it is the only one."""

    label: str
    points: tuple[tuple[str, float | None], ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of a chart. `additive`: may its values be summed up? `span`: the time that lines are shown for."""

    kind: str
    title: str
    unit: str = ""
    by: str = ""
    additive: bool = True
    items: tuple[Item, ...] = ()
    lines: tuple[Line, ...] = ()
    note: str = ""
    span: tuple[str, str] | None = None

    @property
    def total(self) -> float:
        """The sum over all items."""
        return sum(item.value for item in self.items)

    @property
    def empty(self) -> bool:
        """Is there nothing to show?"""
        return not self.items and not self.lines


@dataclass(frozen=True, slots=True)
class Chart:
    """One file: its base name, title, panels and the line that says where the numbers come from.

    `window`: the time that is shown, in words ("in the last 7 d"), or "" for all.
    """

    name: str
    title: str
    source: str
    panels: tuple[Panel, ...] = field(default=())
    window: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Chart:
        """The inverse of `as_dict`."""
        panels = tuple(
            Panel(
                **{
                    **panel,
                    "items": tuple(Item(**item) for item in panel["items"]),
                    "lines": tuple(
                        Line(line["label"], tuple((at, value) for at, value in line["points"]), line.get("name", ""))
                        for line in panel["lines"]
                    ),
                    "span": tuple(panel["span"]) if panel.get("span") else None,
                }
            )
            for panel in given["panels"]
        )
        return cls(given["name"], given["title"], given["source"], panels, given.get("window", ""))


def bars(
    kind: str,
    title: str,
    rows: Sequence[tuple[str, float]],
    *,
    unit: str = "",
    by: str = "",
    additive: bool = True,
    labels: Mapping[str, str] | None = None,
) -> Panel:
    """A panel of bars or of a donut: the largest first, what is too much to read summed up or left out."""
    named = labels or {}
    ranked = sorted(rows, key=lambda row: (-row[1], row[0]))
    if PANEL_KINDS[kind].shares:
        # A share of nothing, or less than nothing, cannot be drawn.
        ranked = [row for row in ranked if row[1] > 0]
    most = PANEL_KINDS[kind].most
    note = ""
    items = [Item(name, named.get(name, name), value) for name, value in ranked]
    if len(items) > most:
        count = len(items)
        if additive:
            rest = items[most - 1 :]
            other = Item("", f"{len(rest)} others", sum(item.value for item in rest))
            items = [*items[: most - 1], other]
        else:
            items = items[:most]
            note = f"the {most} largest of {count}"
    return Panel(kind, title, unit, by, additive, tuple(items), note=note)


def lines(
    kind: str,
    title: str,
    rows: Sequence[tuple[str, str, float]],
    *,
    unit: str = "",
    by: str = "",
    labels: Mapping[str, str] | None = None,
    buckets: Buckets | None = None,
) -> Panel:
    """A panel of lines over time from (group, ISO time, value): the groups with most in them."""
    named = labels or {}
    groups: dict[str, list[tuple[str, float]]] = {}
    for name, at, value in rows:
        groups.setdefault(name, []).append((at, value))
    ranked = sorted(groups, key=lambda name: (-sum(abs(v) for _, v in groups[name]), name))
    shown = ranked[: PANEL_KINDS[kind].most]
    note = f"the {len(shown)} largest of {len(ranked)}" if len(ranked) > len(shown) else ""
    span = buckets.span if buckets is not None else None
    if span is None and rows:
        span = (min(at for _, at, _ in rows), max(at for _, at, _ in rows))
    made = tuple(
        Line(named.get(name, name), _with_empty(groups[name], buckets, span) if buckets and span else points, name)
        for name in shown
        if (points := tuple(groups[name]))
    )
    return Panel(kind, title, unit, by, lines=made, note=note, span=span)


def _with_empty(
    points: Sequence[tuple[str, float]], buckets: Buckets, span: tuple[str, str]
) -> tuple[tuple[str, float | None], ...]:
    """The points, and what is shown where there is none: of a run of empty buckets its first and its last."""
    step = timedelta(seconds=buckets.width)
    first, last = (datetime.fromisoformat(at) for at in span)
    found: list[tuple[datetime, float | None]] = []
    before = first - step
    for text, value in points:
        at = datetime.fromisoformat(text)
        found += _empty(before + step, at - step, buckets.empty)
        found.append((at, value))
        before = at
    found += _empty(before + step, last, buckets.empty)
    return tuple((at.isoformat(), value) for at, value in found)


def _empty(first: datetime, last: datetime, value: float | None) -> list[tuple[datetime, float | None]]:
    return [] if first > last else [(at, value) for at in sorted({first, last})]


def source(extent: tuple[str, str, int | None] | None, table: str, window: str = "", zone: str = "UTC") -> str:
    """The line under a chart: which events, of what time, from which table."""
    if extent is None:
        return f"etld.{table}, no events {window or 'so far'}"
    first, last, count = extent
    events = f"{thousands(count)} event{'' if count == 1 else 's'}, " if count is not None else ""
    return f"etld.{table}, {events}{first} to {last} {zone}"
