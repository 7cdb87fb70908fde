"""How often somebody may try to log in."""

from __future__ import annotations

from collections import OrderedDict

from etld.util.token_bucket import TokenBucket

#: Tries at once, and one more after so many seconds.
TRIES, SECONDS = 5, 20.0
#: Of all addresses together: a password that many guess at is guessed no faster.
_ALL_TRIES, _ALL_SECONDS = 50, 1.0
_MOST_ADDRESSES = 10_000


class LogInLimit:
    """Tries by address, and of all; times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._all = TokenBucket(1 / _ALL_SECONDS, _ALL_TRIES, now)
        self._by_address: OrderedDict[str, TokenBucket] = OrderedDict()

    def wait(self, address: str, now: float) -> float:
        """Take one try: 0.0 when it may be made, else the seconds until the next may."""
        bucket = self._by_address.setdefault(address, TokenBucket(1 / SECONDS, TRIES, now))
        self._by_address.move_to_end(address)
        if len(self._by_address) > _MOST_ADDRESSES:
            self._by_address.popitem(last=False)
        return bucket.take(1, now) or self._all.take(1, now)
