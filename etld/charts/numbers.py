"""Numbers as a slide shows them: those of one panel in one form, so that they can be compared at a glance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The signs of currencies, by their codes: a unit that is one of these is money.
CURRENCIES = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
# From what on, which scale, and its letter.
_SCALES = ((1e12, 1e12, "T"), (1e9, 1e9, "B"), (1e7, 1e6, "M"))
# From here on there are no letters, and below it too many zeros.
_LARGEST, _MOST_DECIMALS = 1e15, 8
# Up to here two decimals of a money or a mean fit beside the others.
_WITH_DECIMALS = 1e5


@dataclass(frozen=True, slots=True)
class NumberForm:
    """1,234 and 12.3M; money as $1,234.56; what is too small for the form as "<0.1M".

    `scale` is what the `letter` stands for; without decimals given (None) a number has an exponent.
    """

    unit: str = ""
    scale: float = 1.0
    letter: str = ""
    decimals: int | None = 0

    @property
    def sign(self) -> str:
        """The sign of a currency, which stands for the unit."""
        return CURRENCIES.get(self.unit, "")

    def text(self, value: float) -> str:
        """A value label."""
        return self._signed(value, self._digits(abs(value)))

    def tick(self, value: float) -> str:
        """An axis label: with the decimals that it needs, and no zeros that say nothing."""
        if self.decimals is None or not math.isfinite(value):
            return self.text(value)
        return self._signed(value, _stripped(f"{abs(value) / self.scale:,.{self.decimals + 3}f}") + self.letter)

    def total(self, value: float) -> str:
        """A value with its unit in words."""
        unit = self.unit[:-1] if value == 1 and self.unit.endswith("s") else self.unit
        return self.text(value) + ("" if self.sign or not unit else f" {unit}")

    def _signed(self, value: float, digits: str) -> str:
        less = digits.startswith("<")
        return f"{'<' if less else ''}{'-' if value < 0 else ''}{self.sign}{digits.removeprefix('<')}"

    def _digits(self, size: float) -> str:
        if size == 0:
            return "0"
        if self.decimals is None or not math.isfinite(size):
            return f"{size:.1e}".replace("e+", "e")
        part = size / self.scale
        smallest = float(10**-self.decimals)
        if round(part, self.decimals) == 0:
            return f"<{smallest:.{self.decimals}f}{self.letter}"
        return f"{part:,.{self.decimals}f}{self.letter}"


def form_of(values: Iterable[float], unit: str = "") -> NumberForm:
    """The form in which all these values can be read."""
    sizes = [abs(value) for value in values if math.isfinite(value) and value]
    largest = max(sizes, default=0.0)
    if largest >= _LARGEST:
        return NumberForm(unit, decimals=None)
    for least, scale, letter in _SCALES:
        # What rounds to the next scale is in it.
        if largest >= least * 0.9995:
            return NumberForm(unit, scale, letter, 0 if largest / scale >= 99.95 else 1)
    if largest < 0.01:
        places = 1 - math.floor(math.log10(largest)) if largest else 0
        return NumberForm(unit, decimals=places if places <= _MOST_DECIMALS else None)
    if largest >= _WITH_DECIMALS:
        return NumberForm(unit)
    if unit in CURRENCIES:
        return NumberForm(unit, decimals=2)
    return NumberForm(unit, decimals=max(len(_stripped(f"{size:.2f}").partition(".")[2]) for size in sizes))


def _stripped(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
