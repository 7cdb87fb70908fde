"""join: several fields into one text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from etld.corrector import paths
from etld.corrector.shape import Shape
from etld.corrector.steps import base
from etld.corrector.steps.cast import cast

if TYPE_CHECKING:
    from collections.abc import Sequence

_TEXT = Shape("string")


@dataclass(frozen=True, slots=True)
class Join:
    """Writes the fields that are there into one text, with a separator between; the sources go."""

    fields: tuple[paths.Path, ...]
    separator: str
    into: paths.Path

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`join = { fields = ["user_details.first", "user_details.last"], separator = " ", into = "user_details.name" }`."""
        read = base.options(value, {"fields": base.path_list, "into": base.path}, {"separator": base.text})
        return cls(read["fields"], read.get("separator", " "), read["into"])

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Join what is text, number or truth value; nothing happens when none is."""
        values = [paths.get(event, path) for path in self.fields]
        parts = [cast(value, _TEXT) for value in values]
        if not _texts(parts):
            return
        for path in self.fields:
            paths.take(event, path)
        paths.put(event, self.into, self.separator.join(_texts(parts)))


def _texts(parts: Sequence[Any]) -> list[str]:
    return [part for part in parts if isinstance(part, str)]
