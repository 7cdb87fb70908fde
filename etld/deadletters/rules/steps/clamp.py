"""clamp: a number out of its range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from etld.deadletters.rules.steps import base

if TYPE_CHECKING:
    from etld.deadletters.rules.fields import Fields
    from etld.schemas.shape import Shape


@dataclass(frozen=True, slots=True)
class Clamp:
    """Brings a number into the range `min` to `max`; either may be left out."""

    fields: Fields
    low: float | None
    high: float | None

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`clamp = { field = "event_details.price", min = 0, max = 100000 }`."""
        read = base.options(value, {"field": base.fields}, {"min": base.number, "max": base.number})
        low, high = read.get("min"), read.get("max")
        if low is None and high is None:
            raise base.RuleError("expected min, max or both")
        if low is not None and high is not None and low > high:
            raise base.RuleError(f"expected min at most max, got {low} and {high}")
        return cls(read["field"], low, high)

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Clamp what is a number."""
        for ref in self.fields.refs(event, shape):
            value = ref.value
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if self.low is not None and value < self.low:
                ref.value = self.low
            elif self.high is not None and value > self.high:
                ref.value = self.high
