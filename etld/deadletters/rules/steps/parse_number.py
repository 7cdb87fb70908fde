"""parse_number: numbers as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from etld.deadletters.rules.steps import base
from etld.deadletters.rules.steps.cast import cast

if TYPE_CHECKING:
    from etld.deadletters.rules.fields import Fields
    from etld.schemas.shape import Shape

_KINDS = frozenset({"int", "long", "float", "double"})
# A sign, a currency before or after, and digits with marks between them.
_WRITTEN = re.compile(
    r"(?P<sign>[-+\u2212]?)\s*(?:[A-Z]{3}|[$€£¥])?\s*(?P<inner>[-+\u2212]?)"
    r"(?P<number>\d[\d.,'\u2019\s]*)\s*(?:[A-Z]{3}|[$€£¥])?",
    re.ASCII,
)
_SPACES = "\u00a0\u2007\u2009\u202f\u2019"
_GROUPED = r"\d{{1,3}}(?:{mark}\d{{3}})+"


@dataclass(frozen=True, slots=True)
class ParseNumber:
    """Reads a number with a decimal comma, digit groups or a currency: "12,50", "1.234,50", "€ 1,234.50"."""

    fields: Fields
    decimal: str | None = None

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`parse_number = "event_details.*"`, or `parse_number = { field = "event_details.price", decimal = "," }`."""
        if not isinstance(value, dict):
            return cls(base.fields(value))
        read = base.options(value, {"field": base.fields}, {"decimal": _mark})
        return cls(read["field"], read.get("decimal"))

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Change text where the schema wants a number."""
        for ref in self.fields.refs(event, shape):
            if ref.shape is not None and ref.shape.kind in _KINDS and isinstance(ref.value, str):
                plain = self.read(ref.value)
                made = ref.value if plain is None else cast(plain, ref.shape)
                if not isinstance(made, str):
                    ref.value = made

    def read(self, text: str) -> str | None:
        """The number in plain decimal digits, None when it is none or could be two."""
        for mark in _SPACES:
            text = text.replace(mark, " ")
        found = _WRITTEN.fullmatch(text.strip())
        if found is None or (found["sign"] and found["inner"]):
            return None
        whole = self._split(found["number"].strip())
        if whole is None:
            return None
        sign = "-" if (found["sign"] or found["inner"]) in ("-", "\u2212") else ""
        return sign + whole

    def _split(self, number: str) -> str | None:
        marks = [letter for letter in number if letter in ".,"]
        decimal = marks[-1] if marks and marks.count(marks[-1]) == 1 else None
        if len(marks) == 1 and decimal is not None and self.decimal != decimal and _either(number):
            # "1,234": a thousand, or one and a bit.
            if self.decimal is None:
                return None
            decimal = None
        above, _, below = number.rpartition(decimal) if decimal else (number, "", "")
        if not below.isdecimal() and decimal:
            return None
        digits = _ungrouped(above)
        return None if digits is None else f"{digits}.{below}" if below else digits


def _either(number: str) -> bool:
    return re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", number) is not None


def _ungrouped(text: str) -> str | None:
    """Digits without the one mark that groups them by three."""
    if text.isdecimal():
        return text
    marks = {letter for letter in text if not letter.isdecimal()}
    if len(marks) != 1:
        return None
    (mark,) = marks
    grouped = re.fullmatch(_GROUPED.format(mark=re.escape(mark)), text, re.ASCII)
    return text.replace(mark, "") if grouped else None


def _mark(value: Any) -> str:
    if base.text(value) not in (".", ","):
        raise base.RuleError(f"expected '.' or ',', got {value!r}")
    return str(value)
