"""The columns of the view of an event type: pure.

A column keeps its place and its name for good, because queries know it by them: what a schema gains comes at the end,
and what it loses stays, because older events have it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from etld.schemas.fields import DETAILS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from etld.schemas.tree import Type

#: What every event has, with the type and what is said of it.
OF_EVERY_EVENT: Final = {
    "event_id": ("uuid", "The event's id: each is here once."),
    "event_name": ("text", "What happened."),
    "triggered_at": ("timestamptz", "When it happened, as the producer says."),
    "accepted_at": (
        "timestamptz",
        "When Kafka took it; of a row of an earlier version of etld, when it was stored.",
    ),
    "processed_at": ("timestamptz", "When it was stored."),
    "repaired": ("boolean", "Was it a dead letter that a repair brought back? As long as that letter is kept."),
}
#: A view may have this many columns, and PostgreSQL a name so many characters.
MOST_COLUMNS: Final = 1_600
LONGEST_NAME: Final = 63

_LOGICAL = {
    "decimal": "numeric",
    "date": "date",
    "time-millis": "time",
    "time-micros": "time",
    "timestamp-millis": "timestamptz",
    "timestamp-micros": "timestamptz",
    "local-timestamp-millis": "timestamp",
    "local-timestamp-micros": "timestamp",
    "uuid": "uuid",
}
_PLAIN = {
    "string": "text",
    "enum": "text",
    "int": "bigint",
    "long": "bigint",
    "float": "double precision",
    "double": "double precision",
    "boolean": "boolean",
}


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A field of the details as a column: its name in the view, where it is, and its type in PostgreSQL."""

    name: str
    details: str
    field: str
    type: str

    @property
    def path(self) -> str:
        """Such as event_details.price."""
        return f"{self.details}.{self.field}"

    def as_json(self) -> dict[str, str]:
        """For the list of views."""
        return {"name": self.name, "path": self.path, "type": self.type}

    @classmethod
    def from_json(cls, given: Mapping[str, str]) -> ViewColumn:
        """The inverse of `as_json`."""
        details, _, field = given["path"].partition(".")
        return cls(given["name"], details, field, given["type"])


@dataclass(frozen=True, slots=True)
class ViewColumns:
    """All of them; `anew`: not those that the view had, followed by others. `left_out`: paths without a column."""

    columns: tuple[ViewColumn, ...]
    anew: bool = False
    left_out: tuple[str, ...] = ()

    @property
    def renamed(self) -> tuple[ViewColumn, ...]:
        """Those whose name is not their field's."""
        return tuple(column for column in self.columns if column.name != column.field)


def columns_of(top: Type, before: Sequence[ViewColumn] = (), taken: Iterable[str] = ()) -> ViewColumns:
    """The columns for a schema, beginning with those that the view has, unless one has another type now.

    `taken` are more names that no field may have.
    """
    wanted = dict(_fields(top))
    changed = any(wanted.get((one.details, one.field), one.type) != one.type for one in before)
    found = [] if changed else list(before)
    taken = {*OF_EVERY_EVENT, *taken, *(one.name for one in found)}
    there = {(one.details, one.field) for one in found}
    left_out = []
    for (details, field), kind in wanted.items():
        if (details, field) in there:
            continue
        if len(taken) >= MOST_COLUMNS:
            left_out.append(f"{details}.{field}")
            continue
        name = _name(details, field, taken)
        taken.add(name)
        found.append(ViewColumn(name, details, field, kind))
    return ViewColumns(tuple(found), changed, tuple(left_out))


def docs_of(top: Type) -> dict[str, str]:
    """What the schema says of each field, by its path."""
    return {f"{one.name}.{field.name}": field.doc for one in top.fields for field in _record(one.type).fields}


def view_name(event_type: str) -> str:
    """The view's name in schema etld."""
    return cut(f"event_{event_type}")


def _fields(top: Type) -> Iterator[tuple[tuple[str, str], str]]:
    for one in top.fields:
        if one.name in DETAILS:
            for field in _record(one.type).fields:
                yield (one.name, field.name), _column_type(field.type)


def _record(of: Type) -> Type:
    return of.optional or of


def _column_type(of: Type) -> str:
    only = of.not_null[0] if len(of.not_null) == 1 else of
    return _LOGICAL.get(only.logical) or _PLAIN.get(only.kind, "jsonb")


def _name(details: str, field: str, taken: set[str]) -> str:
    """The field's own name; where that is taken, with that of its record before it."""
    name = cut(field)
    if name in taken:
        name = cut(f"{details}_{field}")
    number = 1
    while name in taken:
        number += 1
        name = cut(f"{details}_{field}_{number}")
    return name


def cut(name: str) -> str:
    """The name itself, or one as short as PostgreSQL takes it, which no other is cut to."""
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
