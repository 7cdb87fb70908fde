"""Numbers as a slide shows them."""

from __future__ import annotations

import math

_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def short(value: float, unit: str = "") -> str:
    """A value label: 1,234 and 12.3M; money as $1,234.56 and $12.3k."""
    sign = _SIGNS.get(unit, "")
    minus = "-" if value < 0 else ""
    return f"{minus}{sign}{_plain(abs(value), money=bool(sign))}"


def tick(value: float, unit: str = "") -> str:
    """An axis label: `short` without zeros that say nothing."""
    text = short(value, unit)
    number = text.rstrip("kMBT")
    if "." in number and "e" not in number:
        text = number.rstrip("0").rstrip(".") + text[len(number) :]
    return text


def full(value: float, unit: str = "") -> str:
    """A total, in full as long as that is readable."""
    sign = _SIGNS.get(unit, "")
    if abs(value) >= 1e12 or (value and abs(value) < 0.01):
        return short(value, unit) + ("" if sign or not unit else f" {unit}")
    minus = "-" if value < 0 else ""
    if value == 1 and unit.endswith("s"):
        unit = unit[:-1]
    digits = f"{abs(value):,.2f}" if sign or value != int(value) else f"{abs(value):,.0f}"
    return f"{minus}{sign}{digits}" + ("" if sign or not unit else f" {unit}")


def _plain(value: float, *, money: bool) -> str:
    if value == 0:
        return "0"
    if value >= 1e15:
        return f"{value:.1e}".replace("e+", "e")
    limit = 1e4 if money else 1e5
    if value < limit and round(value, 2) < limit:
        if value < 0.01:
            return _significant(value)
        if money:
            return f"{value:,.2f}"
        return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}".rstrip("0").rstrip(".")
    for scale, letter in _SCALES:
        if value >= scale * 0.9995:
            part = value / scale
            digits = 0 if part >= 99.95 else 1
            return f"{part:,.{digits}f}{letter}"
    return f"{value:,.0f}"


def _significant(value: float) -> str:
    places = 1 - math.floor(math.log10(value))
    return f"{value:.{places}f}" if places <= 8 else f"{value:.1e}"
