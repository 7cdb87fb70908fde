"""Any value as what JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from enum import Enum
from typing import Any

# Deeper than this a value is told as text: it may hold itself.
_LEVELS = 8
#: For what holds itself nowhere: as deep as an event may be, and a half more.
MANY_LEVELS = 150


def as_json(value: Any, text: Callable[[str], str] = str, levels: int = _LEVELS) -> Any:
    """`value` as null, booleans, numbers, text, lists and objects; each text, keys too, goes through `text`.

    What is deeper than `levels` is text.
    Times are ISO 8601, durations seconds, sets sorted lists; a number that JSON has no word for, and all else, is text.
    """
    if isinstance(value, Enum):
        return as_json(value.value, text, levels - 1)
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, date | time):
        return text(value.isoformat())
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray | memoryview):
        return text(bytes(value).decode("utf-8", "backslashreplace"))
    if isinstance(value, str) or levels <= 0:
        return text(str(value))
    return _several(value, text, levels - 1)


def _several(value: Any, text: Callable[[str], str], levels: int) -> Any:
    """Objects and lists; what is neither is text."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {one.name: getattr(value, one.name) for one in fields(value)}
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {text(str(key)): as_json(one, text, levels) for key, one in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((as_json(one, text, levels) for one in value), key=str)
    if isinstance(value, list | tuple) or (isinstance(value, Iterable) and hasattr(value, "__len__")):
        return [as_json(one, text, levels) for one in value]
    return text(str(value))
