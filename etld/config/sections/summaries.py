"""Summaries, and the charts drawn of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from etld.config.sections.base import (
    AnyPath,
    Duration,
    Matching,
    PositiveDuration,
    Section,
    Strings,
    Workers,
    at_least,
    quantity,
)

SummaryName = Annotated[str, Matching(r"[a-z][a-z0-9_]{0,40}", "at most 41 of a-z, 0-9 and _, beginning with a letter")]
Column = Annotated[str, Matching(r"[a-z_][a-z0-9_]{0,40}", "at most 41 of a-z, 0-9 and _, not beginning with a digit")]
ChartName = Annotated[
    str, Matching(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", "at most 64 letters, digits, - and _ (it becomes a file's name)")
]
#: Permissions as chmod takes them.
Mode = Annotated[str, Matching(r"(0?[0-7]{3})?", 'permissions in octal digits, such as "0644"')]
_ONE_MEASURE = 'expected "count" or one of { sum = "…" }, { avg = "…" }, { min = "…" }, { max = "…" }'


class AggregatorSection(Section):
    """Who keeps the running summaries."""

    workers: Workers = Field(1, description="Aggregator workers.")
    batch_max_records: int = Field(10000, ge=1, description="Records in one batch.")
    dedup_window: Annotated[Duration, at_least(3600, "1 h")] = quantity(
        "7 d", "An event id is remembered this long, so that a retry is not counted twice."
    )


class ChartsSection(Section):
    """When charts are drawn, and where."""

    dir: AnyPath = Field("./event_summary_charts", description="Where the pictures go.", validate_default=True)
    every: PositiveDuration = quantity("5 min", "Draw after this long, when something came.")
    every_events: int = Field(1000, ge=1, description="Draw after this many events.")
    idle: PositiveDuration = quantity("2 s", "Draw when nothing came for this long.")
    file_mode: Mode = Field("", description='Permissions of the pictures, such as "0644"; "" as the umask says.')
    directory_mode: Mode = Field("", description='Permissions of `dir`, such as "0755"; "" as the umask says.')
    keep: int = Field(20, ge=1, description="Kept of each chart, besides <name>_latest.png.")
    dpi: int = Field(300, ge=50, le=1200, description="Dots per inch.")


def _word(value: object) -> object:
    if value != "count":
        raise ValueError(_ONE_MEASURE)
    return value


class MeasureSection(Section):
    """`sum`, `avg`, `min` or `max` of one field; exactly one of them."""

    sum: str | None = Field(None, description="The sum of this field.")
    avg: str | None = Field(None, description="The average of this field, kept as sum and count.")
    min: str | None = Field(None, description="The smallest value of this field.")
    max: str | None = Field(None, description="The largest value of this field.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len([value for value in self.model_dump().values() if value is not None]) != 1:
            raise ValueError(_ONE_MEASURE)
        return self


# The tags name the branches in pydantic's error paths, where no key of a file can be taken for them.
AnyMeasure = Annotated[
    Annotated[Literal["count"], BeforeValidator(_word), Tag("<word>")] | Annotated[MeasureSection, Tag("<table>")],
    Discriminator(lambda value: "<table>" if isinstance(value, dict | MeasureSection) else "<word>"),
]


class PanelSection(Section):
    """One picture of a chart."""

    kind: Literal["bar", "donut", "line"] = Field(description="What is drawn.")
    title: str = Field("", description="Above the panel.")
    by: str = Field(
        "", description="The group column that makes the categories; a line goes without, or by bucket_start."
    )
    value: str = Field(description="The measure.")
    unit: str = Field("", description="What the values count.")
    empty: Literal["", "gap", "zero"] = Field(
        "", description='What a line shows of a bucket without events; "" is "zero" for counts and sums, else "gap".'
    )
    labels: dict[str, str] = Field(default_factory=dict, description="Category to the words for it.")


def _listed(value: object) -> object:
    """A table of values or lists of them, as lists."""
    if isinstance(value, dict):
        return {key: tuple(item) if isinstance(item, list | tuple) else (item,) for key, item in value.items()}
    return value


#: In the file a value or a list of values for each name.
_Values = Annotated[
    dict[str, tuple[Any, ...]],
    BeforeValidator(_listed),
    WithJsonSchema({"type": "object", "additionalProperties": {"not": {"type": "object"}}}),
]


class NumberSection(Section):
    """One big number of a dashboard: a measure over all that is shown, with the change to the period before."""

    title: str = Field(min_length=1, description="What it is called.")
    value: str = Field(description="The measure.")
    where: _Values = Field(default_factory=dict, description="Only rows with these values of group columns.")
    unit: str = Field("", description="What the values count.")


class ChartSection(Section):
    """A summary's picture: its file name, title and panels."""

    name: ChartName = Field(description="The files are <name>_YYYYmmdd_HHMMSS.png and <name>_latest.png.")
    title: str = Field(description="Above all panels.")
    last: PositiveDuration | None = Field(None, description='Only the buckets that began in this time: "7 d".')
    panels: Annotated[tuple[PanelSection, ...], Field(strict=False)] = Field(
        min_length=1, description="From left to right."
    )
    numbers: Annotated[tuple[NumberSection, ...], Field(strict=False)] = Field(
        (), description="The big numbers of its dashboards; without any, one for each measure."
    )


class SummarySection(Section):
    """A running summary: the table etld.summary_<name>."""

    event_types: Strings = Field(min_length=1, description="Events of these types are summed up.")
    filter: _Values = Field(default_factory=dict, description="Only events with these values, by field path.")
    group_by: dict[Column, str] = Field(default_factory=dict, description="Group columns: name = field path.")
    measures: dict[Column, AnyMeasure] = Field(
        min_length=1, description='Measures: "count", or { sum|avg|min|max = field path }.'
    )
    bucket: PositiveDuration = quantity("1 h", "Width of the bucket of event time.")
    timezone: str = Field(
        "UTC", description='Whose days the buckets of whole days are: "Europe/Berlin"; one has 23 to 25 hours.'
    )
    chart: ChartSection | None = Field(None, description="The picture of it.")
