"""set: a fixed value."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from etld.deadletters.rules import paths
from etld.deadletters.rules.steps import base

if TYPE_CHECKING:
    from etld.schemas.shape import Shape


@dataclass(frozen=True, slots=True)
class Set:
    """Gives a field a fixed value, whatever it held."""

    fields: tuple[paths.Path, ...]
    value: Any

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`set = { field = "user_details.country", value = "DE" }`; `field` may be a list."""
        read = base.options(value, {"field": base.path_list, "value": base.json_value})
        return cls(read["field"], read["value"])

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Set it, making objects on the way."""
        for path in self.fields:
            paths.put(event, path, deepcopy(self.value))
