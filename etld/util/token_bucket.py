"""The token bucket: so many a second in the long run, and a burst at once.

https://en.wikipedia.org/wiki/Token_bucket
"""

from __future__ import annotations


class TokenBucket:
    """`rate` tokens a second, at most `capacity` saved up; times are monotonic seconds.

    A batch larger than what is saved passes when the bucket holds a token, and is paid off afterwards, so that
    the long-run rate holds for any mixture of batches and single events. It begins full.
    """

    __slots__ = ("_capacity", "_rate", "_seen", "_tokens")

    def __init__(self, rate: float, capacity: float, now: float) -> None:
        self._rate = rate
        self._capacity = max(capacity, 1.0)
        self._tokens = self._capacity
        self._seen = now

    def available(self, now: float) -> float:
        """The tokens that are there; fewer than 0 are a debt."""
        self._tokens = min(self._capacity, self._tokens + (now - self._seen) * self._rate)
        self._seen = now
        return self._tokens

    def take(self, count: int, now: float) -> float:
        """Take `count` tokens: 0.0 when one was there, else the seconds to wait; nothing is taken then."""
        # As `available`, which would cost a request as much again.
        tokens = self._tokens + (now - self._seen) * self._rate
        if tokens > self._capacity:  # noqa: PLR1730  # min() costs three times as much
            tokens = self._capacity
        self._seen = now
        if tokens < 1 and tokens < count:
            self._tokens = tokens
            return (1.0 - tokens) / self._rate
        self._tokens = tokens - count
        return 0.0

    def spend(self, count: float) -> None:
        """Take `count` tokens, whether they are there or not."""
        self._tokens -= count

    def give_back(self, count: float) -> None:
        """Return tokens that were taken for what another limit refused."""
        self._tokens += count
