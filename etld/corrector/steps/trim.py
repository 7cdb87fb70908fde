"""trim: white space around text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from etld.corrector.steps import base

if TYPE_CHECKING:
    from etld.corrector.fields import Fields
    from etld.corrector.shape import Shape


@dataclass(frozen=True, slots=True)
class Trim:
    """Takes white space off both ends of a text."""

    fields: Fields

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`trim = "*"`, a path or a list of paths."""
        return cls(base.fields(value))

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Trim what is text."""
        for slot in self.fields.slots(event, shape):
            if isinstance(slot.value, str):
                slot.value = slot.value.strip()
