"""What a summary's table says of itself to who reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.config.units import format_duration
from etld.postgres.compose import SQL, Composed, Identifier, Literal
from etld.summaries import table_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from etld.summaries.model import EventField, Measure, Summary

_WORDS = {"sum": "The sum of {}.", "min": "The smallest {}.", "max": "The largest {}.", "avg": "The average {}."}


def of_table(summary: Summary) -> Composed:
    """The table, its bucket, its groups and its measures."""
    filters = "".join(
        f", only those with {_path(one.field)} {' or '.join(map(str, one.values))}" for one in summary.filters
    )
    width = format_duration(summary.bucket)
    about = f"Running summary of {', '.join(summary.event_types)} events{filters}, by buckets of {width}."
    comment = SQL("COMMENT ON TABLE {} IS {}").format(table_sql.table(summary), Literal(about))
    return SQL("; ").join([comment, _of_columns(summary, words_of(summary))])


def words_of(summary: Summary) -> dict[str, str]:
    """What is said of each column."""
    width = format_duration(summary.bucket)
    said = {"bucket_start": f"Where the bucket of {width} begins, by triggered_at and the clock of {summary.zone}."}
    said |= {one.name: f"{_path(one.field)} of the events; NULL: they have none." for one in summary.groups}
    for measure in summary.measures:
        said |= _of(measure)
    return said


def of_measures(summary: Summary, measures: Iterable[Measure]) -> Composed:
    """Measures that the table has gained."""
    return _of_columns(summary, {name: text for measure in measures for name, text in _of(measure).items()})


def _of(measure: Measure) -> dict[str, str]:
    if measure.field is None:
        return {measure.name: "How many events."}
    path = _path(measure.field)
    said = {measure.name: _WORDS[measure.function].format(path)}
    if measure.function == "avg":
        total, count = (name for name, _ in measure.columns)
        said[measure.name] += f" Over several rows: sum({total}) / sum({count})."
        said |= {total: f"The sum of {path}.", count: f"How many events have {path}."}
    return said


def _of_columns(summary: Summary, said: Mapping[str, str]) -> Composed:
    return SQL("; ").join(
        SQL("COMMENT ON COLUMN {}.{} IS {}").format(table_sql.table(summary), Identifier(name), Literal(text))
        for name, text in said.items()
    )


def _path(field: EventField) -> str:
    return ".".join(field.path)
