"""The circuit breaker on a clock of the test's own."""

from __future__ import annotations

from etld.processor.circuit_breaker import CircuitBreaker


def test_opens_when_most_of_a_full_window_is_dead() -> None:
    """Not before the window is full, and not at the ratio itself."""
    breaker = CircuitBreaker(0.5, 100, 0)
    assert not breaker.record(99, 99, 0)
    assert breaker.record(1, 1, 0)
    assert breaker.blocks(1000)
    even = CircuitBreaker(0.5, 100, 0)
    assert not even.record(100, 50, 0)
    assert not even.blocks(0)


def test_old_records_leave_the_window() -> None:
    """What was dead long ago does not count."""
    breaker = CircuitBreaker(0.5, 100, 0)
    breaker.record(40, 40, 0)
    for _ in range(10):
        assert not breaker.record(10, 0, 0)
    assert not breaker.record(50, 50, 0)
    assert breaker.share == 0.5
    assert breaker.record(10, 10, 0)


def test_half_open_tries_one_batch() -> None:
    """After the wait one batch goes through: a bad one opens it again, a good one closes it."""
    breaker = CircuitBreaker(0.5, 100, 30)
    assert breaker.record(100, 100, 0)
    assert breaker.blocks(29)
    assert not breaker.blocks(30)
    assert breaker.record(10, 10, 31)
    assert breaker.blocks(32)
    assert not breaker.blocks(61)
    assert not breaker.record(10, 0, 62)
    assert not breaker.blocks(63)


def test_a_large_bad_batch_is_cut_to_the_window() -> None:
    """So that no more letters are written than it takes to open."""
    breaker = CircuitBreaker(0.5, 1000, 30)
    assert breaker.limit(20000, 20000) == 1000
    assert breaker.limit(20000, 10) is None
    assert breaker.limit(900, 900) is None


def test_zero_turns_it_off() -> None:
    """A ratio of 0 lets everything through."""
    breaker = CircuitBreaker(0, 10, 30)
    assert not breaker.record(100, 100, 0)
    assert breaker.limit(100, 100) is None
