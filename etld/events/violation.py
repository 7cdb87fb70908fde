"""What is wrong with an event, in words for whoever sent it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Violation:
    """One mistake: where (`event_details.items[2].price`), what was expected there, what stood there."""

    path: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.path or 'event'}: expected {self.expected}, got {self.got}"


def show(value: Any) -> str:
    """A value as a reader knows it from JSON, cut to a line."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    try:
        text = orjson.dumps(value[: _SHOWN + 1] if isinstance(value, str) else value).decode()
    except (TypeError, ValueError):
        # Integers beyond 64 bits, lone surrogates, NaN's kin: as Python writes them.
        text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean "price"?` when a known name is near, else nothing."""
    if len(word) > 64:
        return ""
    folded = {name.lower().replace("_", ""): name for name in known}
    near = difflib.get_close_matches(word.lower().replace("_", "").replace("-", ""), folded, 1, 0.7)
    return f'; did you mean "{folded[near[0]]}"?' if near else ""
