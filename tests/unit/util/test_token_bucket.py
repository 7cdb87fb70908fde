"""A bucket holds its rate in the long run, whatever is taken at once."""

from __future__ import annotations

import pytest

from etld.util.token_bucket import TokenBucket


def test_a_bucket_holds_its_rate_over_time() -> None:
    bucket, taken = TokenBucket(10, 10, 0.0), 0
    for step in range(1000):
        if not bucket.take(1, step / 100):
            taken += 1
    assert 100 <= taken <= 111


def test_a_large_batch_passes_and_is_paid_off() -> None:
    bucket = TokenBucket(10, 10, 0.0)
    assert bucket.take(100, 0.0) == 0.0
    assert bucket.take(1, 0.0) == pytest.approx(9.1)
    assert bucket.take(1, 9.2) == 0.0
