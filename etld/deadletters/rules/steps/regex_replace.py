"""regex_replace: text by a pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from etld.deadletters.rules.steps import base

if TYPE_CHECKING:
    from etld.deadletters.rules.fields import Fields
    from etld.deadletters.rules.pattern import Pattern
    from etld.schemas.shape import Shape


@dataclass(frozen=True, slots=True)
class RegexReplace:
    r"""Replaces each match of a regular expression in a text; \1 is the first group."""

    fields: Fields
    pattern: Pattern
    replace: str

    @classmethod
    def parse(cls, value: Any) -> Self:
        r"""`regex_replace = { field = "event_details.price", pattern = '^(\d+),(\d+)$', replace = '\1.\2' }`."""
        read = base.options(value, {"field": base.fields, "pattern": base.pattern, "replace": base.text})
        try:
            read["pattern"].check_template(read["replace"])
        except ValueError as error:
            raise base.RuleError(f"{read['replace']!r} does not go with the pattern: {error}", "replace") from None
        return cls(read["field"], read["pattern"], read["replace"])

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Replace in what is text."""
        for ref in self.fields.refs(event, shape):
            if isinstance(ref.value, str):
                ref.value = self.pattern.replaced(self.replace, ref.value)
