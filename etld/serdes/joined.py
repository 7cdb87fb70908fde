"""Frames of several schemas as few frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Groups of frames that one more is held against.
_TRIED = 8


def joined(frames: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """As few frames as go together without changing a value: Polars would make texts of numbers, floats of integers."""
    groups: list[_Group] = []
    for frame in frames:
        found = dict(_kinds(frame.schema, ""))
        # Not all of them, since a batch may hold as many schemas as records.
        for group in reversed(groups[-_TRIED:]):
            if group.takes(found):
                group.add(frame, found)
                break
        else:
            groups.append(_Group([frame], found, len(found)))
    return [pl.concat(group.frames, how="diagonal_relaxed").sort("row") for group in groups]


@dataclass(slots=True)
class _Group:
    """Frames that go together: what is at each path in any of them, and how many paths the widest has."""

    frames: list[pl.DataFrame]
    kinds: dict[str, object]
    widest: int

    def takes(self, found: Mapping[str, object]) -> bool:
        """Is what both have the same, and does the whole not become much wider than its parts?"""
        if any(self.kinds.get(path, kind) != kind for path, kind in found.items()):
            return False
        more = sum(path not in self.kinds for path in found)
        return len(self.kinds) + more <= 2 * max(self.widest, len(found))

    def add(self, frame: pl.DataFrame, found: Mapping[str, object]) -> None:
        self.frames.append(frame)
        self.kinds.update(found)
        self.widest = max(self.widest, len(found))


def _kinds(fields: Mapping[str, object], path: str) -> Iterator[tuple[str, object]]:
    """What is at each path: a type, or which kind of nesting. A field may be missing on a side."""
    for name, dtype in fields.items():
        here = f"{path}.{name}"
        inner, depth = dtype, 0
        while isinstance(inner, pl.List):
            inner, depth = inner.inner, depth + 1
        if isinstance(inner, pl.Struct):
            yield here, (depth, "struct")
            yield from _kinds({field.name: field.dtype for field in inner.fields}, here)
        else:
            yield here, (depth, inner)
