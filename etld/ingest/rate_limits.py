"""So many events a second for each write key and each client address, as token buckets of one second's worth."""

from __future__ import annotations

from collections import OrderedDict

from etld.util.token_bucket import TokenBucket


class RateLimits:
    """One token bucket a name, the least recently used forgotten past `most`.

    A forgotten bucket was full again or belongs to a client that an attacker with more than `most`
    addresses crowded out; memory stays bounded either way.
    """

    def __init__(self, rate: float, most: int = 20_000) -> None:
        self.rate = rate
        self._most = most
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, name: str, count: int, now: float) -> float:
        """As `TokenBucket.take`; 0.0 when there is no limit."""
        if not self.rate:
            return 0.0
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = TokenBucket(self.rate, self.rate, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(name)
        return bucket.take(count, now)

    def spend(self, name: str, count: int) -> None:
        """As `TokenBucket.spend`, for a name that has taken something."""
        bucket = self._buckets.get(name)
        if bucket is not None:
            bucket.spend(count)

    def give_back(self, name: str, count: int) -> None:
        """As `TokenBucket.give_back`."""
        bucket = self._buckets.get(name)
        if bucket is not None:
            bucket.give_back(count)

    def __len__(self) -> int:
        return len(self._buckets)


def share(rate: float, processes: int) -> float:
    """What each of several ingest processes allows, so that together they allow `rate`; 0 is no limit."""
    if rate <= 0:
        return 0.0
    return rate / max(1, processes)
