"""What is wrong with an event, in words for whoever sent it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from etld.util.suggest import did_you_mean
from etld.util.text import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = 80
# Enough to mend an event; a body of a thousand wrong fields is not worth a thousand lines.
MAX_VIOLATIONS = 50
# Of each further event, once a request has been told of so many.
FEW_VIOLATIONS = 5
_REQUEST_VIOLATIONS = 1000
_REQUEST_HINTS = 50


@dataclass(frozen=True, slots=True)
class Violation:
    """One mistake: where (`event_details.items[2].price`), what was expected there, what stood there."""

    path: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.path or 'event'}: expected {self.expected}, got {self.got}"


class ViolationBudget:
    """How much may still be said about the mistakes of one request: a hint is a search, each line is answered.

    Without it a few kilobytes of wrong events, well compressed, would keep a process busy for seconds.
    `now` (epoch seconds) is the time of the request, when it is another than the clock's.
    """

    __slots__ = ("hints", "lines", "now")

    def __init__(self, now: float | None = None) -> None:
        self.now = now
        self.hints = _REQUEST_HINTS
        self.lines = _REQUEST_VIOLATIONS

    def hint(self, word: str, known: Iterable[str]) -> str:
        """As `did_you_mean`, while the budget lasts."""
        if self.hints <= 0:
            return ""
        self.hints -= 1
        return did_you_mean(word, known)

    @property
    def most(self) -> int:
        """How many violations the next event may list."""
        return MAX_VIOLATIONS if self.lines > 0 else FEW_VIOLATIONS


class Violations(list[Violation]):
    """The violations of one event so far, and how many more its request may list."""

    __slots__ = ("budget",)

    def __init__(self, budget: ViolationBudget) -> None:
        super().__init__()
        self.budget = budget

    @property
    def full(self) -> bool:
        """Is more not worth looking for?"""
        return len(self) >= self.budget.most


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
    return shortened(text, _SHOWN)
