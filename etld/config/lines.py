"""Which line of a TOML file a key stands on; tomllib does not tell."""

from __future__ import annotations

import re

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_PATH = re.compile(rf"{_KEY}(?:\s*\.\s*{_KEY})*")
_TABLE = re.compile(rf"\s*(\[\[?)\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]\]?")
_ENTRY = re.compile(rf"\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=")
_PIECE = re.compile(_KEY)
_INLINE = re.compile(rf"(?:\{{|,)\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=")

Path = tuple[str | int, ...]


def index(text: str) -> dict[Path, int]:
    """Path of every table and key to its line, from 1; elements of arrays of tables by number."""
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    prefix: Path = ()
    entry: Path = ()
    closer = ""
    for number, line in enumerate(text.splitlines(), 1):
        if closer:
            if closer in line:
                closer = ""
            continue
        table = _TABLE.match(line)
        if table and not _ENTRY.match(line):
            path = _resolve(_pieces(table[2]), counts)
            if table[1] == "[[":
                at = counts.get(path, 0)
                counts[path] = at + 1
                lines.setdefault(path, number)
                path = (*path, at)
            prefix = entry = path
            lines.setdefault(path, number)
            continue
        found = _ENTRY.match(line)
        if found:
            entry = (*prefix, *_pieces(found[1]))
            lines.setdefault(entry, number)
            rest = line[found.end() :]
            for quote in ('"""', "'''"):
                if rest.count(quote) == 1:
                    closer = quote
        else:
            rest = line
        for inner in _INLINE.finditer(rest):
            lines.setdefault((*entry, *_pieces(inner[1])), number)
    return lines


def find(lines: dict[Path, int], path: Path) -> int:
    """The line of a path, or of the nearest thing around it; 0 when nothing is known."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 0


def _pieces(text: str) -> tuple[str, ...]:
    return tuple(piece.strip("\"'") for piece in _PIECE.findall(text))


def _resolve(path: tuple[str, ...], counts: dict[Path, int]) -> Path:
    """A table below the last element of an array of tables."""
    out: Path = ()
    for i, piece in enumerate(path):
        out = (*out, piece)
        if out in counts and i < len(path) - 1:
            out = (*out, counts[out] - 1)
    return out
