"""Token buckets: so many events a second for each write key and each client address."""

from __future__ import annotations

import math
from collections import OrderedDict


class Bucket:
    """`rate` tokens a second, at most one second's worth saved up (and never less than one).

    A batch larger than what is saved passes when the bucket is not empty, and is paid off afterwards, so
    that the long-run rate holds for any mixture of batches and single events.
    """

    __slots__ = ("_capacity", "_rate", "_seen", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._capacity = max(rate, 1.0)
        self._tokens = self._capacity
        self._seen = now

    def take(self, count: int, now: float) -> float:
        """Take `count` tokens: 0.0 when they were there, else the seconds to wait; nothing is taken then."""
        tokens = min(self._capacity, self._tokens + (now - self._seen) * self._rate)
        self._seen = now
        if tokens < min(count, 1):
            self._tokens = tokens
            return (1.0 - tokens) / self._rate
        self._tokens = tokens - count
        return 0.0

    def give_back(self, count: int) -> None:
        """Return tokens that were taken for something that another limit refused; fewer than 0 are a debt."""
        self._tokens += count


class Buckets:
    """One bucket a name, the least recently used forgotten past `most`.

    A forgotten bucket was full again or belongs to a client that an attacker with more than `most`
    addresses crowded out; memory stays bounded either way.
    """

    def __init__(self, rate: float, most: int = 20_000) -> None:
        self.rate = rate
        self._most = most
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, name: str, count: int, now: float) -> float:
        """As `Bucket.take`; 0.0 when there is no limit."""
        if not self.rate:
            return 0.0
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(self.rate, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(name)
        return bucket.take(count, now)

    def give_back(self, name: str, count: int) -> None:
        """As `Bucket.give_back`."""
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


def whole_seconds(wait: float) -> int:
    """A wait as Retry-After takes it."""
    return max(1, math.ceil(wait))
