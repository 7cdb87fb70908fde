"""What is wrong with [summaries.<name>]: names that nothing has, and what no table can be made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.config.mistakes import Mistake
from etld.summaries import definition
from etld.summaries.chart_model import PANEL_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.config import Config
    from etld.config.key_path import KeyPath


def check(config: Config, data: dict[str, Any], removed: frozenset[KeyPath]) -> Iterator[Mistake]:
    """Every mistake in the summaries and their charts."""
    yield from _event_types(config, data)
    yield from _chart_names(config)
    yield from _panels(config, data)
    yield from _numbers(config, data)
    # Without a column that was left out, nothing can be said about the chart that shows it.
    partial = {path[1] for path in removed if path[:1] == ("summaries",) and path[2:3] != ("chart",)}
    whole = {name: summary for name, summary in config.summaries.items() if name not in partial}
    yield from definition.check(whole, config.event_types)


def _event_types(config: Config, data: dict[str, Any]) -> Iterator[Mistake]:
    known = _keys(data, "event_types")
    for name, summary in config.summaries.items():
        for i, event_type in enumerate(summary.event_types):
            if event_type not in known:
                path = ("summaries", name, "event_types", i)
                yield Mistake(path, f"no event type {event_type!r}; known: {_list(known)}", code="ETLD-M001")


def _chart_names(config: Config) -> Iterator[Mistake]:
    taken: dict[str, str] = {}
    for name, summary in config.summaries.items():
        if summary.chart is None:
            continue
        if summary.chart.name in taken:
            message = f"the chart of summary {taken[summary.chart.name]!r} has this name already"
            yield Mistake(("summaries", name, "chart", "name"), message, code="ETLD-M001")
        taken.setdefault(summary.chart.name, name)


def _panels(config: Config, data: dict[str, Any]) -> Iterator[Mistake]:
    for name, summary in config.summaries.items():
        groups, measures = _keys(data, "summaries", name, "group_by"), _keys(data, "summaries", name, "measures")
        for i, panel in enumerate(summary.chart.panels if summary.chart else ()):
            at = ("summaries", name, "chart", "panels", i)
            if panel.value not in measures:
                yield Mistake((*at, "value"), f"no measure {panel.value!r}; known: {_list(measures)}", code="ETLD-M001")
            over_time = PANEL_KINDS[panel.kind].over_time
            if over_time and panel.by == "bucket_start":
                continue
            if panel.by and panel.by not in groups:
                yield Mistake((*at, "by"), f"no group column {panel.by!r}; known: {_list(groups)}", code="ETLD-M001")
            if not panel.by and not over_time:
                yield Mistake(
                    (*at, "by"), f"a {panel.kind} needs a group column; known: {_list(groups)}", code="ETLD-M001"
                )


def _numbers(config: Config, data: dict[str, Any]) -> Iterator[Mistake]:
    for name, summary in config.summaries.items():
        groups, measures = _keys(data, "summaries", name, "group_by"), _keys(data, "summaries", name, "measures")
        for i, number in enumerate(summary.chart.numbers if summary.chart else ()):
            at = ("summaries", name, "chart", "numbers", i)
            if number.value not in measures:
                yield Mistake(
                    (*at, "value"), f"no measure {number.value!r}; known: {_list(measures)}", code="ETLD-M001"
                )
            for column in number.where:
                if column not in groups:
                    yield Mistake(
                        (*at, "where", column), f"no group column {column!r}; known: {_list(groups)}", code="ETLD-M001"
                    )


def _keys(data: Any, *path: str) -> list[str]:
    """The keys of a table as the file has it: what was left out for a mistake of its own is not unknown."""
    for piece in path:
        data = data.get(piece) if isinstance(data, dict) else None
    return list(data) if isinstance(data, dict) else []


def _list(names: list[str]) -> str:
    return ", ".join(names) or "none"
