"""join: several fields into one text."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Self

from etld.deadletters.rules import paths
from etld.deadletters.rules.steps import base
from etld.deadletters.rules.steps.cast import cast
from etld.schemas.shape import Shape

_TEXT = Shape("string")


@dataclass(frozen=True, slots=True)
class Join:
    """Writes the fields that are there into one text, with a separator between; the sources go."""

    fields: tuple[paths.Path, ...]
    separator: str
    into: paths.Path

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`join = { fields = ["user_details.first", …], separator = " ", into = "user_details.name" }`."""
        read = base.options(value, {"fields": base.source_list, "into": base.path}, {"separator": base.text})
        return cls(read["fields"], read.get("separator", " "), read["into"])

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Join texts, numbers and truth values; nothing happens when there is none, or anything else."""
        values = [paths.get(event, path) for path in self.fields]
        parts = [cast(value, _TEXT) for value in values if value is not paths.MISSING and value is not None]
        if not parts or not all(isinstance(part, str) for part in parts):
            return
        changed = deepcopy(event)
        for path in self.fields:
            paths.take(changed, path)
        if paths.put(changed, self.into, self.separator.join(parts)):
            paths.replace(event, changed)
