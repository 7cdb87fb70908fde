"""The columns of a table of the lake: those of the view of its event type, and how they follow its schema.

A column is known by its field id, so that files written before it was renamed are read rightly. What a schema gains
comes at the end, and what it loses stays. A field that is renamed by an alias keeps its column under the new name.
Where the type of a field becomes another that no engine reads the old files as, the column makes room under another
name.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pyiceberg.schema import Schema
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

from etld.schemas.fields import DETAILS
from etld.sinks.postgres import view_columns
from etld.sinks.postgres.columns import ACCEPTED_AT, EVENT_ID, OFFSET, PARTITION
from etld.sinks.postgres.view_columns import OF_EVERY_EVENT, ViewColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from etld.schemas.tree import Type

#: The table's property that says which field each column is made of.
KEY: Final = "etld.columns"

_TYPES: dict[str, IcebergType] = {
    "text": StringType(),
    "jsonb": StringType(),
    "bigint": LongType(),
    "integer": IntegerType(),
    "double precision": DoubleType(),
    "boolean": BooleanType(),
    "uuid": UUIDType(),
    "date": DateType(),
    "time": TimeType(),
    "timestamp": TimestampType(),
    "timestamptz": TimestamptzType(),
}
_DECIMAL = re.compile(r"decimal\(([0-9]+),([0-9]+)\)")
_MOST_DIGITS = 38

#: What every row has, by its name: the type, and what is said of it.
FIXED: Final = {
    **{name: OF_EVERY_EVENT[name] for name in (EVENT_ID, "event_name", "triggered_at", ACCEPTED_AT)},
    PARTITION: ("integer", "The partition of the topic that it came by."),
    OFFSET: ("bigint", "Its offset there."),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a table: `add` a column, `rename` or `widen` the one that is called `name`."""

    what: str
    name: str
    column: ViewColumn


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table that are made of fields, and what the schema says of them by path."""

    columns: tuple[ViewColumn, ...]
    docs: Mapping[str, str]

    @classmethod
    def of(cls, top: Type) -> Layout:
        """As the schema of an event type wants them."""
        found = view_columns.columns_of(top, taken=FIXED).columns
        types = {(one.name, field.name): field.type for one in top.fields for field in _record(one.type).fields}
        columns = [replace(one, type=_type(one, types[one.details, one.field])) for one in found]
        return cls(follow((), columns, {}, FIXED)[0], view_columns.docs_of(top))

    def schema(self) -> Schema:
        """The schema of a new table."""
        fixed = [
            NestedField(at, name, type_of(kind), doc=doc) for at, (name, (kind, doc)) in enumerate(FIXED.items(), 1)
        ]
        own = [
            NestedField(at, one.name, type_of(one.type), doc=self.doc(one))
            for at, one in enumerate(self.columns, len(fixed) + 1)
        ]
        return Schema(*fixed, *own)

    def doc(self, column: ViewColumn) -> str:
        """What is said of a column."""
        return f"{self.docs.get(column.path, '')} ({column.path})".lstrip()

    def text(self) -> str:
        """For the table's property."""
        return json.dumps([one.as_json() for one in self.columns], separators=(",", ":"))


def parsed(text: str) -> tuple[ViewColumn, ...]:
    """The columns that a table's property tells."""
    return tuple(ViewColumn.from_json(one) for one in json.loads(text))


def type_of(kind: str) -> IcebergType:
    """The type of Iceberg for one of PostgreSQL."""
    match = _DECIMAL.fullmatch(kind)
    return DecimalType(int(match[1]), int(match[2])) if match else _TYPES[kind]


def follow(
    known: Sequence[ViewColumn],
    wanted: Iterable[ViewColumn],
    aliases: Mapping[str, Sequence[str]],
    names: Iterable[str],
) -> tuple[tuple[ViewColumn, ...], list[Step]]:
    """The columns of a table that has those of `known` once it has those of `wanted`, and the steps to there.

    `aliases` are names that fields had, by path; `names` are taken in the table, whoever made the columns.
    """
    columns, steps = list(known), []
    taken = {name.lower() for name in names}
    paths = {one.path for one in known}
    wanted = list(wanted)
    asked = {one.path for one in wanted}
    for one in wanted:
        at = _place(columns, one, aliases, asked - {one.path})
        if at is not None and (step := _fitted(columns[at], one, taken)) is not None:
            steps += step
            columns[at] = step[-1].column if step else columns[at]
            continue
        if one.path in paths:
            old = next(number for number, column in enumerate(columns) if column.path == one.path)
            aside = _free(f"{columns[old].name}_old", taken)
            steps.append(Step("rename", columns[old].name, replace(columns[old], name=aside)))
            taken.discard(columns[old].name.lower())
            del columns[old]
        new = replace(one, name=_free(one.name, taken))
        columns.append(new)
        steps.append(Step("add", new.name, new))
    return tuple(columns), steps


def aliases_of(top: Type) -> dict[str, tuple[str, ...]]:
    """The names that fields of the details had, by path."""
    return {
        f"{one.name}.{field.name}": field.aliases
        for one in top.fields
        if one.name in DETAILS
        for field in _record(one.type).fields
        if field.aliases
    }


def _place(
    columns: Sequence[ViewColumn], wanted: ViewColumn, aliases: Mapping[str, Sequence[str]], others: set[str]
) -> int | None:
    """Where the column of a field is, by its name or one that it had."""
    for name in (wanted.field, *aliases.get(wanted.path, ())):
        path = f"{wanted.details}.{name}"
        if path in others:
            continue
        for at, one in enumerate(columns):
            if one.path == path:
                return at
    return None


def _fitted(there: ViewColumn, wanted: ViewColumn, taken: set[str]) -> list[Step] | None:
    """The steps that make a column what is wanted; None when it cannot become that."""
    if there.type != wanted.type and not _widens(there.type, wanted.type):
        return None
    steps = []
    now = there
    if there.type != wanted.type:
        now = replace(now, type=wanted.type)
        steps.append(Step("widen", there.name, now))
    if there.field != wanted.field:
        taken.discard(there.name.lower())
        now = replace(now, name=_free(wanted.name, taken), field=wanted.field)
        steps.append(Step("rename", there.name, now))
    return steps


def _widens(old: str, new: str) -> bool:
    """Does every reader of the new type read files of the old one? The other types are as wide as they can be."""
    one, other = _DECIMAL.fullmatch(old), _DECIMAL.fullmatch(new)
    return one is not None and other is not None and one[2] == other[2] and int(one[1]) <= int(other[1])


def _type(column: ViewColumn, of: Type) -> str:
    """The type of a column of the view, with the digits of a decimal."""
    only = of.not_null[0] if len(of.not_null) == 1 else of
    if column.type != "numeric":
        return column.type
    return f"decimal({only.precision},{only.scale})" if only.precision <= _MOST_DIGITS else "text"


def _free(name: str, taken: set[str]) -> str:
    """A name that no column has, whatever the case: many engines know none."""
    found = next(one for one in _candidates(name) if one.lower() not in taken)
    taken.add(found.lower())
    return found


def _candidates(name: str) -> Iterator[str]:
    yield name
    number = 1
    while True:
        number += 1
        yield view_columns.cut(f"{name}_{number}")


def _record(of: Type) -> Type:
    return of.optional or of
