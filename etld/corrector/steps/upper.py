"""upper: letters to upper case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from etld.corrector.steps import base

if TYPE_CHECKING:
    from etld.corrector.fields import Fields
    from etld.corrector.shape import Shape


@dataclass(frozen=True, slots=True)
class Upper:
    """Writes a text in upper case."""

    fields: Fields

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`upper = "event_type"`, a list of paths, or "*"."""
        return cls(base.fields(value))

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Change what is text."""
        for slot in self.fields.slots(event, shape):
            if isinstance(slot.value, str):
                slot.value = slot.value.upper()
