"""cast: text to number, number to text."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Self

from etld.deadletters.rules.steps import base
from etld.schemas.shape import Shape

if TYPE_CHECKING:
    from etld.deadletters.rules.fields import Fields

_INTEGER = re.compile(r"[+-]?\d{1,19}(\.0+)?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# So many digits tell any two doubles apart; what has more says more than a double can.
_DIGITS_OF_DOUBLE = 17
# Below it a double has ever fewer digits.
_SMALLEST = 2.0**-1022
_SECONDS = re.compile(r"\d{9,10}(\.\d+)?", re.ASCII)
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_BITS = {"int": 31, "long": 63}
TYPES = ("string", "int", "long", "float", "double", "boolean")


@dataclass(frozen=True, slots=True)
class Cast:
    """Gives a value the type that the schema (or `to`) wants, if nothing is lost: "12.50" is 12.5, 7 is "7"."""

    fields: Fields
    to: Shape | None = None

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`cast = "*"`, `cast = ["a.b", "c"]` or `cast = { field = "a.b", to = "string" }`."""
        if not isinstance(value, dict):
            return cls(base.fields(value))
        read = base.options(value, {"field": base.fields}, {"to": _type})
        return cls(read["field"], read.get("to"))

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Change what is not of its type yet and can be."""
        for ref in self.fields.refs(event, shape):
            wanted = self.to or ref.shape
            if wanted is not None:
                ref.value = cast(ref.value, wanted)


def _type(value: Any) -> Shape:
    if base.text(value) not in TYPES:
        raise base.RuleError(f"expected one of {', '.join(TYPES)}, got {value!r}{base.guess(value, TYPES)}")
    return Shape(value)


def cast(value: Any, shape: Shape) -> Any:
    """The value as the schema's type; the value itself where that would lose something."""
    match shape.kind:
        case "string" | "enum":
            return _to_text(value)
        case "int" | "long":
            return _to_integer(value, _BITS[shape.kind])
        case "float" | "double":
            return _to_float(value)
        case "boolean":
            return _to_truth(value)
        case "timestamp":
            # Only text that can but be seconds (1973 to 2286): "20261231" is a date, and for parse_date.
            return _to_float(value) if isinstance(value, str) and _SECONDS.fullmatch(value) else value
        case "record" | "map" | "array":
            return _to_json(value, list if shape.kind == "array" else dict)
    return value


def _to_text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _to_integer(value: Any, bits: int) -> Any:
    number = value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        number = int(value.partition(".")[0])
    elif isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        number = int(value)
    fits = isinstance(number, int) and not isinstance(number, bool) and -(2**bits) <= number < 2**bits
    return number if fits else value


def _to_float(value: Any) -> Any:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        number = float(value)
        return number if math.isfinite(number) and _holds(number, value) else value
    return value


def _holds(number: float, text: str) -> bool:
    """Does a double hold what a text says? A fraction up to its digits, a whole number exactly."""
    try:
        said = Decimal(text)
    except InvalidOperation:  # an exponent beyond all bounds
        return False
    if said == Decimal(number) or ("e" in text.lower() and said == Decimal(repr(number))):
        return True
    digits = "".join(map(str, said.as_tuple().digits)).strip("0")
    fraction = said != said.to_integral_value()
    return fraction and len(digits) <= _DIGITS_OF_DOUBLE and abs(number) >= _SMALLEST


def _to_truth(value: Any) -> Any:
    if isinstance(value, str):
        return _TRUTH.get(value.lower(), value)
    return bool(value) if value in (0, 1) and isinstance(value, int) else value


def _to_json(value: Any, wanted: type) -> Any:
    if not isinstance(value, str):
        return value
    try:
        parsed = json.loads(value)
    except ValueError:
        return value
    return parsed if isinstance(parsed, wanted) else value
