"""From the configuration to dashboards: one with everything at a glance, and one for each summary.

Pure but for reading schema files.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from etld.bi import datasets
from etld.bi.model import BoardChart, BoardFilter, Dashboard, Dashboards, Dataset
from etld.charts import palette
from etld.schemas import tree
from etld.summaries import definition
from etld.summaries.board import Board, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etld.bi.model import ChartKind
    from etld.config import Config
    from etld.config.sections.summaries import PanelSection
    from etld.summaries.board import BigNumber

_DAY = 86_400
#: Twelfths of a row.
_ROW = 12
#: Numbers, and charts, beside each other.
_NUMBERS, _CHARTS = 3, 2
_KINDS: dict[str, ChartKind] = {"bar": "ranked", "donut": "shares", "line": "lines"}


def dashboards(config: Config) -> Dashboards:
    """All datasets and dashboards. Raises `BadSummary`, and what reading a schema file raises."""
    boards = [
        Board(one, config.summaries[one.name].chart) for one in definition.read(config.summaries, config.event_types)
    ]
    tables = {board.summary.name: datasets.of_summary(board) for board in boards}
    events = [
        datasets.of_events(name, tree.read(kind.schema.read_text("utf-8"))) for name, kind in config.event_types.items()
    ]
    made = [_of_summary(board, tables[board.summary.name]) for board in boards]
    return Dashboards(
        (*tables.values(), datasets.EVENTS, datasets.LETTERS, datasets.FRESHNESS, datasets.VERDICT, *events),
        (_overview(boards, tables), *made),
        _colours(config, boards),
    )


def _of_summary(board: Board, table: Dataset) -> Dashboard:
    name = board.summary.name
    numbers = [_number(f"{name}/number", table, one) for one in board.numbers()]
    series = [_panel(f"{name}/over_time", board, table, one) for one in board.over_time()]
    panels = [_panel(f"{name}/panel", board, table, one) for one in board.panels]
    groups = tuple(_shown(table, group.name) for group in board.summary.groups)
    rows = BoardChart(
        f"{name}/table",
        "table",
        f"{board.title}: every number",
        table,
        by=(table.time, *groups, *(one.name for one in board.numeric)),
    )
    return Dashboard(
        name,
        board.title,
        table.description,
        _last(board),
        (*_rows(numbers, _NUMBERS), *_rows([*series, *panels], _CHARTS), (rows,), _truth()),
        tuple(BoardFilter(table.column(one).label, table, one) for one in groups),
    )


def _overview(boards: Sequence[Board], tables: dict[str, Dataset]) -> Dashboard:
    """What a manager looks at first: the first number of each summary, and whether all of it can be trusted."""
    firsts = [(board, board.numbers()[0]) for board in boards if board.numbers()]
    events = datasets.EVENTS
    numbers = [
        BoardChart("overview/events", "number", "Events", events, "events_total", unit="events"),
        *(_number(f"{board.summary.name}/number", tables[board.summary.name], one) for board, one in firsts),
        BoardChart(
            "overview/letters",
            "number",
            "Dead letters",
            datasets.LETTERS,
            "letters_total",
            unit="letters",
            less_is_better=True,
        ),
    ]
    series = [
        BoardChart(
            "overview/by_type",
            "bars",
            "Events by type",
            events,
            "events_total",
            ("event_type_shown",),
            unit="events",
        ),
        *(_over_time(board, tables[board.summary.name], one) for board, one in firsts),
    ]
    dead = BoardChart(
        "overview/reasons",
        "listed",
        "Dead letters by reason",
        datasets.LETTERS,
        "letters_total",
        ("reason",),
        unit="letters",
    )
    return Dashboard(
        "overview",
        "Overview",
        "What came, what it is worth, what is broken, and whether the books agree.",
        7 * _DAY,
        (*_rows(numbers, _NUMBERS), *_rows(series, _CHARTS), (dead,), _truth()),
        (BoardFilter("Event type", events, "event_type_shown"), BoardFilter("Event", events, "event_name_shown")),
    )


def _truth() -> tuple[BoardChart, ...]:
    """How fresh all of it is, and whether it agrees: on every dashboard the same two."""
    freshness, verdict = datasets.FRESHNESS, datasets.VERDICT
    return (
        BoardChart(
            "freshness",
            "table",
            freshness.title,
            freshness,
            by=("event_type_shown", "as_of", "stored"),
            width=7,
        ),
        BoardChart("verdict", "table", verdict.title, verdict, by=("verdict", "compared_at"), width=5),
    )


def _number(key: str, table: Dataset, number: BigNumber) -> BoardChart:
    return BoardChart(
        f"{key}/{_slug(number.title)}",
        "number",
        number.title,
        table,
        f"{number.measure.name}_total",
        where=number.where,
        unit=number.unit,
    )


def _over_time(board: Board, table: Dataset, number: BigNumber) -> BoardChart:
    """A number of the overview, for each bucket."""
    return BoardChart(
        f"overview/{board.summary.name}/{_slug(number.title)}",
        "bars" if number.measure.function in ("count", "sum") else "lines",
        f"{number.title} over time",
        table,
        f"{number.measure.name}_total",
        where=number.where,
        unit=number.unit,
    )


def _panel(key: str, board: Board, table: Dataset, panel: PanelSection) -> BoardChart:
    """A panel of a picture, or of the console, as a chart."""
    measure = next(one for one in board.summary.measures if one.name == panel.value)
    by = "" if panel.by == "bucket_start" else panel.by
    kind = _KINDS[panel.kind]
    if kind == "lines" and measure.function in ("count", "sum"):
        kind = "bars"
    title = panel.title or f"{words(panel.value)}{f' by {words(by).lower()}' if by else ' over time'}"
    return BoardChart(
        f"{key}/{panel.kind}/{panel.value}/{by or 'all'}",
        kind,
        title,
        table,
        f"{measure.name}_total",
        (_shown(table, by),) if by else (),
        unit=panel.unit or board.unit(panel.value),
    )


def _shown(table: Dataset, column: str) -> str:
    """The column with words for the values of another, where there is one."""
    return next((one.name for one in table.columns if one.name == f"{column}_shown"), column)


def _rows(charts: Sequence[BoardChart], most: int) -> Iterator[tuple[BoardChart, ...]]:
    """Rows of about as many charts each, as wide as the page."""
    count = -(-len(charts) // most)
    for number in range(count):
        row = charts[number * len(charts) // count : (number + 1) * len(charts) // count]
        width, rest = divmod(_ROW, len(row))
        yield tuple(replace(one, width=width + (place < rest)) for place, one in enumerate(row))


def _last(board: Board) -> int:
    """The time that a dashboard begins with: that of the picture, or as much as its buckets can fill."""
    if board.chart and board.chart.last:
        return int(board.chart.last)
    if board.summary.bucket < _DAY:
        return 7 * _DAY
    return 90 * _DAY if board.summary.bucket < 7 * _DAY else 365 * _DAY


def _colours(config: Config, boards: Sequence[Board]) -> dict[str, str]:
    """A colour for each value that the configuration names, by what people see of it."""
    names: set[palette.Name] = {("event_type", words(name)) for name in config.event_types}
    for event_type in config.event_types.values():
        names |= {("event_name", words(name)) for name in event_type.event_names}
    for board in boards:
        names |= {(group.name, word) for group in board.summary.groups for word in board.labels(group.name).values()}
    return {name: colour for (_, name), colour in palette.by_name(names).items()}


def _slug(text: str) -> str:
    return "_".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
