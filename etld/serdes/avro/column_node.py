"""The values of a schema in the order of their bytes, each with the name of the column that it is read into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.schemas.tree import Type


@dataclass(frozen=True)
class ColumnNode:
    """A type at its place in the wrapped schema.

    `column` is its own, "" for a record that is always there; `fields` are those of a record. What is `optional` has
    the index of its branch before it, and `index` are the indexes of null and of the value, as they are written.
    """

    type: Type
    column: str
    fields: tuple[tuple[str, ColumnNode], ...] = ()
    optional: bool = False
    index: tuple[int, int] = (0, 0)

    @property
    def present(self) -> str:
        """The column that tells whether an optional one is there."""
        return f"{self.column}?"

    def walk(self) -> Iterator[ColumnNode]:
        """Itself and all below, in the order of their bytes."""
        yield self
        for _, below in self.fields:
            yield from below.walk()


def numbered(top: Type) -> ColumnNode:
    """The tree of a schema that can be read by columns, with a name for each column."""
    return _Numbered().node(top)


class _Numbered:
    """Gives each column a name of its own."""

    def __init__(self) -> None:
        self._numbers = iter(range(1 << 30))

    def node(self, of: Type) -> ColumnNode:
        only = of.optional
        if only is None and of.kind == "record":
            return ColumnNode(of, "", self._fields(of))
        column = f"c{next(self._numbers)}"
        if only is None:
            return ColumnNode(of, column)
        index = (0, 2) if of.branches[0].kind == "null" else (2, 0)
        return ColumnNode(only, column, self._fields(only) if only.kind == "record" else (), optional=True, index=index)

    def _fields(self, of: Type) -> tuple[tuple[str, ColumnNode], ...]:
        return tuple((f.name, self.node(f.type)) for f in of.fields)
