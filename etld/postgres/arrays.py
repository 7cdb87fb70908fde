"""Lists as PostgreSQL's array literals, made faster than the driver makes them, which goes item by item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.array import ListDumper

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg.abc import Buffer


class Array(ListDumper):
    """The driver's dumper of lists; texts, bytes and numbers, with None among them, are written at once."""

    def dump(self, obj: list[Any]) -> Buffer | None:
        """The literal in UTF-8; raises what the driver raises for what no array holds."""
        kinds = set(map(type, obj))
        kinds.discard(type(None))
        item = _ITEMS.get(kinds.pop()) if len(kinds) == 1 else None
        if item is not None:
            text = "{" + ",".join(["NULL" if one is None else item(one) for one in obj]) + "}"
            if "\0" not in text:
                return text.encode()
        return super().dump(obj)


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _bytes(value: bytes) -> str:
    return f'"\\\\x{value.hex()}"'


# By exact type: True is an integer elsewhere.
_ITEMS: dict[type, Callable[[Any], str]] = {str: _text, bytes: _bytes, int: str, float: str}
