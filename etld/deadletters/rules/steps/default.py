"""default: a value for what is missing."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from etld.deadletters.rules import paths
from etld.deadletters.rules.steps import base

if TYPE_CHECKING:
    from etld.schemas.shape import Shape


@dataclass(frozen=True, slots=True)
class Default:
    """Fills a field that is missing or null; "*" fills each forbidden null with the schema's own default."""

    fields: tuple[paths.Path, ...]
    value: Any = None

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`default = { field = "event_details.carrier", value = "unknown" }`, `field` may be a list, or "*"."""
        if value == "*":
            return cls(())
        read = base.options(value, {"field": base.path_list, "value": base.json_value})
        return cls(read["field"], read["value"])

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Fill in; a field that no schema of the event's type knows is left out."""
        if not self.fields and shape is not None:
            _from_schema(event, shape)
        for path in self.fields:
            known = shape is None or shape.at(path) is not None
            if known and paths.get(event, path) in (None, paths.MISSING):
                paths.put(event, path, deepcopy(self.value))


def _from_schema(value: dict[str, Any], shape: Shape) -> None:
    for name, inner in shape.fields.items():
        held = value.get(name, paths.MISSING)
        if held is None and not inner.nullable and inner.default:
            value[name] = deepcopy(inner.default[0])
        elif inner.kind == "record" and isinstance(held, dict):
            _from_schema(held, inner)
