"""How long the oldest record has waited."""

from __future__ import annotations

from etld.stream.behind import LagInTime


def test_a_reader_that_keeps_up_is_not_behind() -> None:
    lag = LagInTime()
    assert [lag.seconds(high, high, float(high)) for high in range(100)] == [0.0] * 100


def test_a_reader_is_as_far_behind_as_what_it_has_not_done() -> None:
    """The end moves on by ten a second, the reader by five."""
    lag = LagInTime()
    told = [lag.seconds(10 * n, 5 * n, float(n)) for n in range(101)]
    assert told[100] == 49.0  # what came at 51 s is not done; at 50 s the end was where the reader is now
    assert lag.seconds(1000, 1000, 101.0) == 0.0
    assert lag.seconds(1001, 1000, 500.0) == 0.0
    assert lag.seconds(1001, 1000, 560.0) == 60.0


def test_a_long_backlog_takes_little_memory() -> None:
    lag = LagInTime()
    seconds = [lag.seconds(n, 0, float(n)) for n in range(1, 100_001)]
    assert seconds[-1] == 99_999.0
    assert abs(lag.seconds(100_000, 50_000, 100_000.0) - 50_000) < 300


def test_a_topic_made_anew_begins_anew() -> None:
    lag = LagInTime()
    assert lag.seconds(1000, 0, 0.0) == 0.0
    assert lag.seconds(5, 0, 100.0) == 0.0
    assert lag.seconds(5, 5, 101.0) == 0.0
    assert lag.seconds(9, 5, 110.0) == 0.0
    assert lag.seconds(9, 5, 115.0) == 5.0
