"""What a request asks for, checked before anything is done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from etld.errors import EtldError

if TYPE_CHECKING:
    from etld.console.page import Field


class BadValue(EtldError):
    """A value is not what the field takes."""

    code = "ETLD-U003"


class NotThere(EtldError):
    """There is nothing that is called so."""

    code = "ETLD-U004"


def values_of(fields: Sequence[Field], given: Mapping[str, Any]) -> dict[str, str]:
    """The value of each field that is given; others are left out. Raises `BadValue`."""
    found = {}
    for field in fields:
        value = given.get(field.name, "")
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or len(value) > field.longest or "\0" in value:
            raise BadValue(f"{field.name}: expected a text of at most {field.longest} characters")
        value = value.strip()
        if value == "" and field.required:
            raise BadValue(f"{field.name} is missing: {field.description}")
        if value and field.integer:
            value = str(_integer(field, value))
        if value:
            found[field.name] = value
    return found


def _integer(field: Field, value: str) -> int:
    try:
        number = int(value)
    except ValueError:
        number = field.least - 1
    if not field.least <= number <= field.most:
        raise BadValue(f"{field.name}: expected a whole number from {field.least} to {field.most}")
    return number


def own_path(path: str) -> str:
    """A path of the console itself; "/" for what leads elsewhere."""
    plain = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if plain else "/"
