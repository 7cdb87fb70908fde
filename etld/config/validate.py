"""From pydantic's errors to words, and from broken data to the part of it that can still be checked."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from etld.config.key_path import touches
from etld.config.keys import unknown
from etld.config.mistakes import Mistake
from etld.config.model import Config
from etld.errors import WRONG_VALUE
from etld.util.text import shortened

if TYPE_CHECKING:
    from etld.config.key_path import KeyPath

_EXPECTED = {
    "missing": "is missing",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "string_type": "expected text in quotes",
    "bool_type": "expected true or false",
    "dict_type": "expected a table",
    "model_type": "expected a table",
    "model_attributes_type": "expected a table",
    "tuple_type": "expected a list",
    "path_type": "expected a path in quotes",
    "string_too_short": "expected some text",
    "too_short": "expected at least one",
    "finite_number": "expected a finite number",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "string_too_long": ("max_length", "a length of at most"),
}
_CODES = {"extra_forbidden": "ETLD-C004", "missing": "ETLD-C005"}
_LONGEST = 60
_ROUNDS = 6


class Validated(NamedTuple):
    """What became of the data: a config of what is good (None: nothing), the mistakes, and what was left out."""

    config: Config | None
    mistakes: list[Mistake]
    removed: frozenset[KeyPath]


def validate(data: dict[str, Any]) -> Validated:
    """Validate; what is wrong is left out and the rest validated again, so that later checks can go on."""
    data = copy.deepcopy(data)
    mistakes: list[Mistake] = []
    removed: set[KeyPath] = set()
    for _ in range(_ROUNDS):
        try:
            return Validated(Config.model_validate(data), mistakes, frozenset(removed))
        except ValidationError as error:
            # What only fails because something was left out before is no mistake of its own.
            found = [(_path(item["loc"]), item) for item in error.errors(include_url=False)]
            mistakes += [
                Mistake(path, _words(path, item), code=_CODES.get(item["type"], WRONG_VALUE))
                for path, item in found
                if not touches(path, removed)
            ]
            for path, item in found:
                _remove(data, path[:-1] if item["type"] == "missing" else path)
                removed.add(path)
    return Validated(None, mistakes, frozenset(removed))


def _path(loc: tuple[str | int, ...]) -> KeyPath:
    """Without the names that pydantic gives to a union's branches and to a bad key."""
    return tuple(piece for piece in loc if isinstance(piece, int) or not (piece.startswith("<") or piece == "[key]"))


def _remove(data: dict[str, Any], path: KeyPath) -> None:
    """Take a value out of the data, and a whole list for one of its elements."""
    here: Any = data
    for piece in path[:-1]:
        inside = here.get(piece)
        if not isinstance(inside, dict):
            here.pop(piece, None)
            return
        here = inside
    here.pop(path[-1] if path else "", None)


def _words(path: KeyPath, item: Any) -> str:
    kind, value = item["type"], item.get("input")
    if kind == "extra_forbidden":
        return unknown(path)
    if kind == "missing":
        return _EXPECTED[kind]
    if kind == "tuple_type" and isinstance(value, dict):
        names = ".".join(piece for piece in path if isinstance(piece, str))
        return f"expected a list, got a table; where it is a list of tables, each begins with [[{names}]]"
    if kind == "literal_error":
        message = f"expected {item['ctx']['expected']}"
    elif kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        message = f"expected {words} {item['ctx'][key]}"
    else:
        message = _EXPECTED.get(kind) or item["msg"].removeprefix("Value error, ")
    if isinstance(value, str | int | float) and ", got " not in message:
        shown = repr(value).lower() if isinstance(value, bool) else repr(value)
        message += f", got {shortened(shown, _LONGEST)}"
    return message
