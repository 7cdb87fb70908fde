"""Sizes and durations as people write them."""

from __future__ import annotations

import re
from fractions import Fraction

from etld.util.text import shortened

_SIZES = {"B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "KB": 1000, "MB": 10**6, "GB": 10**9}
_DURATIONS: dict[str, Fraction | int] = {"MS": Fraction(1, 1000), "S": 1, "MIN": 60, "H": 3600, "D": 86400}
# ASCII digits only: \d would take those of every script.
_QUANTITY = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*")
_LONGEST = 40
#: No end of the time that something is kept.
FOREVER = "forever"
_MAX_SECONDS = 100 * 365 * 86400
_MAX_BYTES = 1 << 50


def parse_size(value: object) -> int:
    """Bytes of "64 KiB", "1 MiB" or a whole number of bytes; raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_BYTES:
        return value
    return int(_quantity(value, _SIZES, _MAX_BYTES, 'a size such as "64 KiB" or "1 MiB"'))


def parse_duration(value: object) -> float:
    """Seconds of "500 ms", "10 s", "5 min", "1 h" or "7 d"; raises ValueError."""
    expected = 'a duration such as "500 ms", "10 s", "5 min" or "7 d"'
    return float(_quantity(value, _DURATIONS, _MAX_SECONDS, expected))


def parse_retention(value: object) -> float | None:
    """Seconds of a duration, None for "forever"; raises ValueError."""
    if value is None or value == FOREVER:
        return None
    expected = f'"{FOREVER}" or a duration such as "400 d"'
    return float(_quantity(value, _DURATIONS, _MAX_SECONDS, expected))


def format_retention(seconds: object) -> object:
    """The inverse of parse_retention."""
    return FOREVER if seconds is None else format_duration(seconds)


def format_size(size: object) -> object:
    """The inverse of parse_size, in the largest unit that divides it; text stays as it is."""
    if not isinstance(size, int):
        return size
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} B"


def format_duration(seconds: object) -> object:
    """The inverse of parse_duration (to a millisecond), in the largest unit that divides it; text stays."""
    if not isinstance(seconds, int | float):
        return seconds
    millis = round(seconds * 1000)
    for unit, factor in (("d", 86400000), ("h", 3600000), ("min", 60000), ("s", 1000)):
        if millis and millis % factor == 0:
            return f"{millis // factor} {unit}"
    return f"{millis} ms" if millis else "0 s"


def _quantity(value: object, units: dict[str, Fraction | int] | dict[str, int], most: int, expected: str) -> Fraction:
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) and len(value) <= _LONGEST else None
    factor = units.get(match[2].upper()) if match else None
    if match is None or factor is None or (amount := Fraction(match[1]) * factor) > most:
        raise ValueError(f"expected {expected}, got {shortened(repr(value), _LONGEST)}")
    return amount
