"""move: a field at a wrong place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from etld.deadletters.rules import paths
from etld.deadletters.rules.steps import base

if TYPE_CHECKING:
    from etld.schemas.shape import Shape


@dataclass(frozen=True, slots=True)
class MoveField:
    """Puts a field at another place; an object moved onto an object (or to "", the event) is merged into it."""

    source: paths.Path
    target: paths.Path

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`move = { from = "data.price", to = "event_details.price" }`."""
        read = base.options(value, {"from": base.source, "to": base.place})
        if read["to"] == ("event_id",):
            raise base.RuleError("event_id is the event's identity: a rule may not change it", "to")
        if read["to"] == read["from"] or "*" in read["to"]:
            raise base.RuleError("expected another field path than `from`", "to")
        if read["to"][: len(read["from"])] == read["from"]:
            raise base.RuleError("a field cannot be moved into itself", "to")
        return cls(read["from"], read["to"])

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Move, if the field is there and nothing but an object is in its way."""
        value = paths.get(event, self.source)
        target = paths.get(event, self.target)
        if value is paths.MISSING:
            return
        if isinstance(value, dict) and isinstance(target, dict):
            paths.take(event, self.source)
            target.update(value)
        elif target is paths.MISSING or target is None:
            paths.take(event, self.source)
            if not paths.put(event, self.target, value):
                paths.put(event, self.source, value)
        elif self.source[: len(self.target)] == self.target and self.target:
            # { price = { value = 12.5 } } moved from price.value to price.
            paths.put(event, self.target, value)
