"""split: one text into several fields."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from etld.deadletters.rules import paths
from etld.deadletters.rules.steps import base

if TYPE_CHECKING:
    from etld.schemas.shape import Shape


@dataclass(frozen=True, slots=True)
class Split:
    """Cuts a text at a separator into the fields of `into`, the rest into the last; the source goes."""

    field: paths.Path
    separator: str
    into: tuple[paths.Path, ...]

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`split = { field = "user_details.contact", separator = ";", into = ["user_details.name", …] }`."""
        read = base.options(value, {"field": base.source, "separator": _separator, "into": base.path_list})
        if len(read["into"]) < 2:
            raise base.RuleError("expected at least two fields", "into")
        return cls(read["field"], read["separator"], read["into"])

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Split, if there are as many parts as fields, and a place for each."""
        value = paths.get(event, self.field)
        if not isinstance(value, str):
            return
        parts = value.split(self.separator, len(self.into) - 1)
        if len(parts) != len(self.into):
            return
        changed = deepcopy(event)
        paths.take(changed, self.field)
        if all(paths.put(changed, path, part.strip()) for path, part in zip(self.into, parts, strict=True)):
            paths.replace(event, changed)


def _separator(value: Any) -> str:
    if not base.text(value):
        raise base.RuleError("expected a separator, got ''")
    return str(value)
