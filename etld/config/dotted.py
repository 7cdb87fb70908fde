"""Key paths as people read them: corrector.rules[0].where."a.b"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etld.config.lines import Path

_PLAIN = re.compile(r"[A-Za-z0-9_*-]+")
_PIECE = re.compile(r'\[(\d+)\]|"([^"]*)"|([^.\[\]"]+)')


def join(path: Path) -> str:
    """A path as one text."""
    out = ""
    for piece in path:
        if isinstance(piece, int):
            out += f"[{piece}]"
        else:
            name = piece if _PLAIN.fullmatch(piece) else f'"{piece}"'
            out += f".{name}" if out else name
    return out


def split(text: str) -> Path:
    """The inverse of join, for keys without quotes inside."""
    return tuple(int(number) if number else quoted or bare for number, quoted, bare in _PIECE.findall(text))
