"""As many buckets as there are names, and no more than may be."""

from __future__ import annotations

from etld.ingest.rate_limits import RateLimits, share


def test_buckets_are_bounded_and_shared() -> None:
    buckets = RateLimits(1, most=3)
    for name in "abcde":
        assert buckets.take(name, 1, 0.0) == 0.0
    assert len(buckets) == 3
    assert buckets.take("e", 1, 0.0) > 0
    assert (share(100, 4), share(0, 4)) == (25, 0)
    assert RateLimits(0).take("a", 10**9, 0.0) == 0.0


def test_a_rate_is_held_over_time() -> None:
    limits, taken = RateLimits(10), 0
    for step in range(1000):
        if not limits.take("a", 1, step / 100):
            taken += 1
    assert 100 <= taken <= 111
