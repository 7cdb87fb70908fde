"""Summaries: each as charts over time, as a table, as CSV, and as its picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.config.sections.summaries import ChartSection
from etld.config.units import format_duration
from etld.console.asked import BadValue, NotThere
from etld.console.chart_svg import drawn
from etld.console.page import REASON, Field, Page, PageAction
from etld.console.render import texts
from etld.summaries import chart_data, definition, tables
from etld.summaries.board import Board

if TYPE_CHECKING:
    from etld.console.access.users import User
    from etld.console.page import Values, View
    from etld.console.sources import Sources

_DAY = 86_400.0
#: The times that can be looked at; 0: all.
_SPANS = {"1 d": _DAY, "7 d": 7 * _DAY, "30 d": 30 * _DAY, "365 d": 365 * _DAY, "all": 0.0}
_FIRST_SPAN = "7 d"
#: Rows of the JSON and of the CSV file; the page shows the first of them.
_MOST_ROWS = 10_000


def _data(sources: Sources, view: View) -> dict[str, Any]:
    config = sources.config
    known = {one.name: one for one in definition.read(config.summaries, config.event_types)}
    name = view.values.get("summary") or next(iter(known), "")
    span = view.values.get("last", _FIRST_SPAN)
    if span not in _SPANS:
        raise BadValue(texts()["summaries"]["bad_span"].format(spans=", ".join(_SPANS)))
    around = {"names": list(known), "spans": list(_SPANS), "last": span, "name": name, "ready": False}
    if not known:
        return {**around, "title": "", "rows": [], "columns": [], "panels": []}
    if name not in known:
        raise NotThere(texts()["summaries"]["unknown"].format(name=name))
    summary = known[name]
    section = config.summaries[name]
    board = Board(summary, section.chart)
    title = board.title
    with sources.reading() as conn:
        ready = bool(tables.ready(conn, [summary]))
    if not ready:
        return {**around, "title": title, "rows": [], "columns": [], "panels": []}
    last = _SPANS[span] or None
    with sources.reading(as_reader=True) as conn:
        chart = chart_data.read_chart(conn, summary, _chart(board, last))
        columns, rows = chart_data.read_rows(conn, summary, last, _MOST_ROWS)
    return {
        **around,
        "ready": True,
        "picture": section.chart is not None,
        "title": title,
        "zone": summary.zone,
        "bucket": format_duration(summary.bucket),
        "source": chart.source,
        "panels": drawn(chart.panels),
        "columns": columns,
        "rows": [list(row) for row in rows],
        "all_rows": len(rows) < _MOST_ROWS,
    }


def _chart(board: Board, last: float | None) -> ChartSection:
    """What is configured, and every measure over time, in the time that is looked at."""
    return ChartSection.model_construct(
        name=board.chart.name if board.chart else board.summary.name,
        title=board.title,
        last=last,
        panels=(*board.over_time(), *board.panels),
    )


def _picture(sources: Sources, view: View) -> bytes | None:
    """The newest that the aggregator has drawn."""
    config = sources.config
    section = config.summaries.get(view.values.get("summary", ""))
    if section is None or section.chart is None:
        return None
    try:
        return (config.charts.dir / f"{section.chart.name}_latest.png").read_bytes()
    except OSError:
        return None


def _rebuild(sources: Sources, values: Values, user: User) -> str:
    return sources.command(user, "summaries", "rebuild", "--", values["summary"])


def _draw(sources: Sources, _values: Values, user: User) -> str:
    return sources.command(user, "charts")


def _table(data: dict[str, Any]) -> list[list[Any]]:
    return [list(data["columns"]), *data["rows"]]


PAGE = Page(
    name="summaries",
    path="/summaries",
    description="A summary as charts over time and as a table.",
    data=_data,
    fields=(
        Field("summary", "Its name; else the first."),
        Field("last", f"The time that is looked at: {', '.join(_SPANS)}."),
    ),
    actions=(
        PageAction(
            "rebuild",
            "operator",
            "Empty a summary, for the aggregator to fill it anew from the table.",
            _rebuild,
            (Field("summary", "Its name.", required=True), REASON),
        ),
        PageAction("draw", "operator", "Draw the pictures now, as etld charts.", _draw),
    ),
    key="s",
    table=_table,
    picture=_picture,
)
