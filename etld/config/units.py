"""Sizes and durations as people write them."""

from __future__ import annotations

import re

_SIZES = {"B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "KB": 1000, "MB": 10**6, "GB": 10**9}
_SPANS = {"MS": 0.001, "S": 1.0, "MIN": 60.0, "H": 3600.0, "D": 86400.0}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def parse_size(value: object) -> int:
    """Bytes of "64 KiB", "1 MiB" or a whole number; raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return int(_quantity(value, _SIZES, 'a size such as "64 KiB" or "1 MiB"'))


def parse_duration(value: object) -> float:
    """Seconds of "500 ms", "10 s", "5 min", "1 h" or "7 d"; raises ValueError."""
    return _quantity(value, _SPANS, 'a duration such as "500 ms", "10 s", "5 min" or "7 d"')


def _quantity(value: object, units: dict[str, float] | dict[str, int], expected: str) -> float:
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    factor = units.get(match[2].upper()) if match else None
    if match is None or factor is None:
        raise ValueError(f"expected {expected}, got {value!r}")
    return float(match[1]) * factor
