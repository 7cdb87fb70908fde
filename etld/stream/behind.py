"""How far behind a reader is in time: by when it was seen first that there is more than it has done."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etld.kafka.types import Offset

#: How exact the answer is: a share of itself. A long backlog takes some thousand of the numbers that are kept.
_EXACT = 0.002


class LagInTime:
    """Of one partition; ends of the partition and times (monotonic seconds) as they come.

    A reader that begins with a backlog is as far behind as it has been at work.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Offset]] = deque()

    def seconds(self, high: Offset, done: Offset, now: float) -> float:
        """For how long the first record that is not done has been known to wait; 0.0 when none does."""
        if self._seen and high < self._seen[-1][1]:  # the topic was made anew
            self._seen.clear()
        if self._is_news(high, now):
            self._seen.append((now, high))
        while self._seen and self._seen[0][1] <= done:
            self._seen.popleft()
        return now - self._seen[0][0] if self._seen else 0.0

    def _is_news(self, high: Offset, now: float) -> bool:
        if not self._seen:
            return True
        (first, _), (last, known) = self._seen[0], self._seen[-1]
        return known < high and now - last >= _EXACT * (now - first)
