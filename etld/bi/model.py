"""What dashboards are, whichever tool shows them: plain data, made by `etld.bi.build`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

#: number: one value and its change to the period before. bars, lines: a value for each bucket of time, bars on top of
#: each other. ranked, shares: a value for each group; listed: the same for groups with long names. table: rows.
ChartKind = Literal["number", "bars", "lines", "ranked", "shares", "listed", "table"]


@dataclass(frozen=True, slots=True)
class DatasetColumn:
    """A column; with `expression`, one that is computed. `type` is PostgreSQL's; numbers may have a `unit`."""

    name: str
    label: str
    type: str
    description: str = ""
    expression: str = ""
    unit: str = ""

    @property
    def temporal(self) -> bool:
        """Is it a time?"""
        return self.type.startswith(("timestamp", "date"))

    @property
    def numeric(self) -> bool:
        """Is it a number?"""
        return self.type in ("bigint", "integer", "numeric", "double precision", "real")

    @property
    def sql(self) -> str:
        """As a query has it."""
        return self.expression or quoted(self.name)


@dataclass(frozen=True, slots=True)
class DatasetMetric:
    """A value over many rows: `expression` is an aggregate. `unit` is a currency's code, or a word."""

    name: str
    label: str
    expression: str
    unit: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table or view that the role of readers may read.

    `time` is the column that charts are over, by the clock that people look at, and `instant` the same as an instant
    ("": the rows are of now); `grain` is the shortest step of it that makes sense, in seconds.
    `bucketed`: has a row the beginning of such a step, rather than any time? `key_columns` tell its rows apart.
    """

    schema: str
    table: str
    title: str
    description: str
    columns: tuple[DatasetColumn, ...]
    metrics: tuple[DatasetMetric, ...] = ()
    time: str = ""
    instant: str = ""
    grain: int = 0
    bucketed: bool = True
    key_columns: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What it is known by, for good."""
        return f"{self.schema}.{self.table}"

    def column(self, name: str) -> DatasetColumn:
        """A column of that name; raises KeyError."""
        return {one.name: one for one in self.columns}[name]

    def metric(self, name: str) -> DatasetMetric:
        """A metric of that name; raises KeyError."""
        return {one.name: one for one in self.metrics}[name]


@dataclass(frozen=True, slots=True)
class BoardChart:
    """One chart. `key` is what it is known by, for good; `by` columns make the groups, of `where` only these values.

    A table shows the columns `by` of its rows, the newest first; all others have one metric, whose values have a
    `unit`. `width` is in twelfths of a row.
    """

    key: str
    kind: ChartKind
    title: str
    dataset: Dataset
    metric: str = ""
    by: tuple[str, ...] = ()
    where: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    unit: str = ""
    width: int = 12
    less_is_better: bool = False

    @property
    def timed(self) -> bool:
        """Is it about a span of time?"""
        return bool(self.dataset.time)


@dataclass(frozen=True, slots=True)
class BoardFilter:
    """What the viewer of a dashboard may choose: values of a column."""

    title: str
    dataset: Dataset
    column: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of charts, row by row, that shows the last so many seconds until the viewer chooses another time."""

    key: str
    title: str
    description: str
    last: int
    rows: tuple[tuple[BoardChart, ...], ...]
    filters: tuple[BoardFilter, ...] = ()

    @property
    def charts(self) -> Iterator[BoardChart]:
        """All of them."""
        return (chart for row in self.rows for chart in row)


@dataclass(frozen=True, slots=True)
class Dashboards:
    """All that a tool is given: the datasets, for questions of one's own too, and the dashboards.

    `colours` are those of values, the same everywhere.
    """

    datasets: tuple[Dataset, ...]
    dashboards: tuple[Dashboard, ...]
    colours: dict[str, str] = field(default_factory=dict)

    @property
    def charts(self) -> list[BoardChart]:
        """Each once, whichever dashboards it is on."""
        return list({chart.key: chart for board in self.dashboards for chart in board.charts}.values())


def quoted(name: str) -> str:
    """A name as SQL has it."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def literal(value: object) -> str:
    """A value as SQL has it: text, a whole number, or true and false."""
    if isinstance(value, bool | int):
        return str(value).lower()
    escaped = str(value).replace("'", "''")
    return f"'{escaped}'"
