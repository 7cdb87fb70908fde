"""What a summary is: pure data, made by `etld.summaries.definition` from the config.

How each measure is kept, so that a table equals a recompute to the last digit: a sum is `numeric` and adds
the decimal numbers that the events hold as text (19.99, not the double next to it), an average is such a
sum and a count, and smallest and largest have the field's own type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from etld.events.limits import INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN

if TYPE_CHECKING:
    from collections.abc import Mapping

Function = Literal["count", "sum", "avg", "min", "max"]
Path = tuple[str, ...]

#: Where buckets are counted from: a Monday, so that a bucket of 7 days is a week.
ORIGIN = "2001-01-01 00:00:00+00"
ORIGIN_SECONDS = 978_307_200
UTC = "UTC"
DAY = 86_400
# A B-tree entry holds some 2,700 bytes; a character may take four.
_KEY_CHARACTERS = 600
_TEXT_CHARACTERS = 200

# Which values of a field count, whatever type an event's own schema gives it: a text in a column of text, true and
# false in one of booleans, and in one of numbers a number that it can hold, or a text that is a plain decimal number.
# Any other is null. The aggregator and the recompute both read these, so that they agree.
#: A plain decimal number: a text from end to end, shorter than `NUMBER_TEXT`.
NUMBER = "^-?[0-9]+([.][0-9]+)?$"
NUMBER_TEXT = 1_200
#: The whole numbers that a type holds.
WHOLE = {"integer": (INT32_MIN, INT32_MAX), "bigint": (INT64_MIN, INT64_MAX)}
#: The smallest and largest size, as text, of a number other than zero that a type holds.
SIZES = {"real": ("1e-45", "3.4028234663852886e38"), "double precision": ("5e-324", "1.7976931348623157e308")}


@dataclass(frozen=True, slots=True)
class EventField:
    """A field of the events: its path, and the PostgreSQL type its values have."""

    path: Path
    type: str


@dataclass(frozen=True, slots=True)
class GroupColumn:
    """A group column."""

    name: str
    field: EventField


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure; `field` is None for a count."""

    name: str
    function: Function
    field: EventField | None = None

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The columns that keep it: (name, PostgreSQL type)."""
        if self.function == "count":
            return ((self.name, "bigint"),)
        if self.function == "sum":
            return ((self.name, "numeric"),)
        if self.function == "avg":
            return ((f"{self.name}_sum", "numeric"), (f"{self.name}_count", "bigint"))
        assert self.field is not None
        return ((self.name, self.field.type),)

    @property
    def names(self) -> tuple[str, ...]:
        """Every column name it takes in the table, computed ones too."""
        kept = tuple(name for name, _ in self.columns)
        return (*kept, self.name) if self.function == "avg" else kept


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Only events whose field has one of these values."""

    field: EventField
    values: tuple[str | int | bool, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """One `[summaries.<name>]`; `bucket` in seconds."""

    name: str
    event_types: tuple[str, ...]
    filters: tuple[EventFilter, ...]
    groups: tuple[GroupColumn, ...]
    measures: tuple[Measure, ...]
    bucket: int
    #: The time zone whose days its buckets are.
    zone: str = UTC

    @property
    def local(self) -> bool:
        """Are its buckets days of a place, rather than seconds of the clock?"""
        return self.zone != UTC

    @property
    def table(self) -> str:
        """Its table, in schema etld."""
        return f"summary_{self.name}"

    @property
    def text_limit(self) -> int:
        """Characters of a text that a group column keeps: what is longer is cut, so that the key fits an index."""
        texts = sum(1 for group in self.groups if group.field.type == "text")
        return min(_TEXT_CHARACTERS, _KEY_CHARACTERS // max(1, texts))

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that make a row."""
        return ("bucket_start", *(group.name for group in self.groups))

    @property
    def kept(self) -> tuple[tuple[str, str], ...]:
        """The columns that measures keep, with their types."""
        return tuple(column for measure in self.measures for column in measure.columns)

    def definition(self) -> dict[str, Any]:
        """What the table was made from, as JSON: when this changes, the table is made anew."""
        return {
            "event_types": sorted(self.event_types),
            "filter": sorted([[".".join(f.field.path), f.field.type, list(f.values)] for f in self.filters], key=str),
            "group_by": [[g.name, ".".join(g.field.path), g.field.type] for g in self.groups],
            "measures": [
                [m.name, m.function, ".".join(m.field.path) if m.field else None, m.field.type if m.field else None]
                for m in self.measures
            ],
            "bucket": self.bucket,
            **({"timezone": self.zone} if self.local else {}),
        }


def measures_to_add(made_from: Mapping[str, Any], summary: Summary) -> tuple[Measure, ...] | None:
    """The measures whose columns a table lacks that was made from this definition; None when others differ too."""
    groups = [(name, kind) for name, _, kind in made_from["group_by"]]
    if groups != [(group.name, group.field.type) for group in summary.groups]:
        return None
    there = {(name, function, kind) for name, function, _, kind in made_from["measures"]}
    wanted = {(m.name, m.function, m.field.type if m.field else None): m for m in summary.measures}
    if not there <= wanted.keys():
        return None
    return tuple(measure for shape, measure in wanted.items() if shape not in there)
