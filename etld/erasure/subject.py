"""A subject: fields and the values by which its events are known. Pure.

Values compare as texts. A number is written in its shortest plain form, so that 7 finds 7 and 7.0 and "7", and no 70.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The shortest form of a number with more digits in front of or behind its point would be a page long.
_MOST_DIGITS = 400
_EXACT = Context(prec=20_000)


@dataclass(frozen=True, slots=True, order=True)
class FieldValue:
    """The field at `path` ("user_details.user_id") has this value, as `canonical` writes it."""

    path: str
    value: str

    @property
    def steps(self) -> tuple[str, ...]:
        """The names on the way to it."""
        return tuple(self.path.split("."))


@dataclass(frozen=True, slots=True)
class Subject:
    """Events that meet all of these conditions, sorted by path."""

    conditions: tuple[FieldValue, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The paths."""
        return tuple(one.path for one in self.conditions)

    @property
    def values(self) -> tuple[str, ...]:
        """What is to be there."""
        return tuple(one.value for one in self.conditions)

    def is_that_of(self, event: Mapping[str, Any]) -> bool:
        """Does a decoded event meet the conditions?"""
        return values_of(event, self.fields) == self.values


def make(conditions: Sequence[FieldValue]) -> Subject:
    """A subject of some conditions, of each once."""
    return Subject(tuple(sorted(set(conditions))))


def named(fields: Sequence[str], values: Sequence[str]) -> bytes:
    """What is hashed of a subject: never change it, or no erasure on record would be known again."""
    return json.dumps(list(zip(fields, values, strict=True)), separators=(",", ":")).encode()


def canonical(value: Any) -> str | None:
    """A value of an event as text; None for what is none to compare: nothing, a list, a record."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number(repr(value))
    if isinstance(value, Decimal):
        return number(str(value))
    return None


def number(text: str) -> str | None:
    """A number in its shortest plain form; None for a text that is none."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    if not found.is_finite():
        return None
    if not found:
        return "0"
    found = found.normalize(_EXACT)
    return f"{found:f}" if abs(found.adjusted()) < _MOST_DIGITS else str(found)


def values_of(event: Mapping[str, Any], fields: Sequence[str]) -> tuple[str | None, ...]:
    """What a decoded event has in some fields."""
    return tuple(canonical(below(event, path.split("."))) for path in fields)


def below(value: Any, steps: Sequence[str]) -> Any:
    """What stands at a path in plain data; None for nothing."""
    for step in steps:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value
