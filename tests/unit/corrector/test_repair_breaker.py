"""When repairs are held back: the decision, from outcomes as the table has them."""

from __future__ import annotations

import pytest

from etld.config.sections.events import BreakerSection as Limits
from etld.corrector.repair_breaker import RepairBreaker
from etld.deadletters.outcomes import Outcomes


def _judge(seen: Outcomes, *, ratio: float = 0.5, window: int = 1000, retry_after: str = "30 s") -> str | None:
    return RepairBreaker(Limits.model_validate({"ratio": ratio, "window": window, "retry_after": retry_after})).judge(
        seen
    )


@pytest.mark.parametrize(
    ("seen", "action"),
    [
        (Outcomes(999, 999), None),  # the window is not full
        (Outcomes(1000, 501), "open"),
        (Outcomes(1000, 500), None),  # as many as not
        (Outcomes(2000, 1001), "open"),
        (Outcomes(0, 0, open_for=29.9), None),
        (Outcomes(1000, 1000, open_for=30.0), "try"),
        (Outcomes(99, 99, trying=True), None),
        (Outcomes(100, 51, trying=True), "open"),
        (Outcomes(100, 50, trying=True), "close"),
    ],
)
def test_what_is_done(seen: Outcomes, action: str | None) -> None:
    """Closed, open, and trying with a tenth of the window."""
    assert _judge(seen) == action


def test_without_retry_after_it_waits_for_a_person() -> None:
    """However long."""
    assert _judge(Outcomes(1000, 1000, open_for=1e6), retry_after="0 s") is None


def test_turned_off_it_closes_and_never_opens() -> None:
    """Also when it was open as the configuration changed."""
    assert _judge(Outcomes(1000, 1000), ratio=0) is None
    assert _judge(Outcomes(1000, 1000, open_for=1.0), ratio=0) == "close"
    assert _judge(Outcomes(10, 10, trying=True), ratio=0) == "close"


def test_a_small_window_is_tried_whole() -> None:
    """No more than the window is needed to decide."""
    assert _judge(Outcomes(10, 10, trying=True), window=10) == "open"
