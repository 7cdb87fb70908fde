"""Which topics do not take what ingest takes."""

from __future__ import annotations

import pytest

from etld.ingest.topic_limits import problem

LETTERS = ("dead_letter_queue", "parked_events")


def test_what_fits() -> None:
    limits = {"event_order": 1_048_588, "dead_letter_queue": 8 << 20, "parked_events": 8 << 20}
    assert problem(limits, LETTERS, 65_536) is None
    assert problem({}, LETTERS, 65_536) is None


@pytest.mark.parametrize(
    ("topic", "limit"),
    [("event_order", 65_536), ("event_order", 1000), ("dead_letter_queue", 100_000), ("parked_events", 131_072)],
)
def test_what_does_not(topic: str, limit: int) -> None:
    told = problem({"event_other": 1 << 20, topic: limit}, LETTERS, 65_536)
    assert told is not None
    assert told.startswith(f"topic {topic} takes {limit} bytes")
    assert "event_other" not in told
