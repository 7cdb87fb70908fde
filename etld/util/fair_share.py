"""Something limited, shared among holders so that none can take all of it.

A holder may have as much as is left for the others: one alone gets half, each of two a third, each of n one part of
n + 1, so that whoever comes anew finds some. Nothing has to be configured, and nobody is limited while there is enough
(A. Choudhury, E. Hahne: Dynamic queue length thresholds for shared-memory packet switches).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Holder = TypeVar("Holder", bound=Hashable)


class FairShare(Generic[Holder]):
    """`limit` units of it; `taken` are held by somebody."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self._held: dict[Holder, int] = {}

    def held(self, holder: Holder) -> int:
        """What this one has."""
        return self._held.get(holder, 0)

    def take(self, holder: Holder, size: int) -> bool:
        """Give `size` units to this holder; False, and nothing given, when that is more than its share."""
        held = self._held.get(holder, 0) + size
        if held > self.limit - self.taken - size:
            return False
        self._held[holder] = held
        self.taken += size
        return True

    def give_back(self, holder: Holder, size: int) -> None:
        """The holder needs so many units no more."""
        held = self._held.get(holder, 0) - size
        if held > 0:
            self._held[holder] = held
        else:
            self._held.pop(holder, None)
        self.taken -= size
