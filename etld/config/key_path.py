"""Key paths: ("corrector", "rules", 0, "where"), which people read as corrector.rules[0].where."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Keys of tables and, from 0, numbers of a list's elements.
KeyPath = tuple[str | int, ...]

_PLAIN = re.compile(r"[A-Za-z0-9_*-]+")
_PIECE = re.compile(r'\[(\d+)\]|"([^"]*)"|([^.\[\]"]+)')


def join(path: KeyPath) -> str:
    """A path as one text; a key that is not plain stands in quotes: where."a.b"."""
    out = ""
    for piece in path:
        if isinstance(piece, int):
            out += f"[{piece}]"
        else:
            name = piece if _PLAIN.fullmatch(piece) else f'"{piece}"'
            out += f".{name}" if out else name
    return out


def split(text: str) -> KeyPath:
    """The inverse of join, for keys without quotes inside."""
    return tuple(int(number) if number else quoted or bare for number, quoted, bare in _PIECE.findall(text))


def touches(path: KeyPath, others: Iterable[KeyPath]) -> bool:
    """Is the path one of the others, below one, or around one?"""
    return any(path[: len(other)] == other or other[: len(path)] == path for other in others)
