"""How fast repairs go out."""

from __future__ import annotations

from etld.corrector.repair_round import rate_limit


def test_a_replay_is_a_stream_and_no_burst() -> None:
    """A tenth of a second's worth at once, however long nothing was sent; without a rate, no limit."""
    bucket = rate_limit(2000, 0.0)
    assert bucket is not None
    assert bucket.available(60.0) == 200
    bucket.spend(200)
    assert bucket.available(60.0) == 0
    assert bucket.available(60.0625) == 125
    assert rate_limit(0, 0.0) is None


def test_a_slow_rate_lets_one_go_at_a_time() -> None:
    """One in two seconds."""
    bucket = rate_limit(0.5, 0.0)
    assert bucket is not None
    bucket.spend(1)
    assert [int(bucket.available(now)) for now in (1.0, 2.0, 60.0)] == [0, 1, 1]
