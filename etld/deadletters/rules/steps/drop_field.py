"""drop_field: a field too many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from etld.deadletters.rules import paths
from etld.deadletters.rules.steps import base

if TYPE_CHECKING:
    from etld.schemas.shape import Shape


@dataclass(frozen=True, slots=True)
class DropField:
    """Leaves a field out; "*" leaves out every field that the schema does not know."""

    fields: tuple[paths.Path, ...]

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`drop_field = "event_details.debug"`, a list of paths, or "*"."""
        return cls(() if value == "*" else base.source_list(value))

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Drop what is there."""
        if not self.fields and shape is not None:
            _unknown(event, shape)
        for path in self.fields:
            paths.take(event, path)


def _unknown(value: dict[str, Any], shape: Shape) -> None:
    for key in list(value):
        inner = shape.fields.get(key)
        if inner is None:
            del value[key]
        elif inner.kind == "record" and isinstance(value[key], dict):
            _unknown(value[key], inner)
