"""When charts are drawn."""

from __future__ import annotations

from etld.aggregator.drawing_schedule import DrawingSchedule


def _schedule(events: int = 0) -> DrawingSchedule:
    return DrawingSchedule(every=300, every_events=1000, idle=2, drawn_at=0, last_event=0, events=events)


def test_nothing_new_is_not_drawn() -> None:
    """However long it lasts."""
    assert not _schedule().due(10_000)


def test_drawn_when_the_stream_is_idle() -> None:
    """Two seconds after the last event."""
    schedule = _schedule()
    schedule.counted(5, 100)
    assert not schedule.due(101.9)
    assert schedule.due(102)


def test_drawn_after_many_events_and_after_a_long_time() -> None:
    """Under a stream that never rests."""
    schedule = _schedule()
    schedule.counted(1000, 1)
    assert schedule.due(1)
    schedule.drawn(1000, 1, 2)
    schedule.counted(10, 301)
    assert schedule.due(301)


def test_under_load_drawing_takes_a_tenth_of_the_time() -> None:
    """A drawing of 2 s is followed by 18 s without one."""
    schedule = _schedule()
    schedule.counted(5000, 10)
    schedule.drawn(5000, 10, 12)
    schedule.counted(5000, 13)
    assert not schedule.due(13)
    schedule.counted(5000, 30)
    assert schedule.due(30)


def test_a_failure_waits_before_the_next_try() -> None:
    """And what was not drawn is drawn then."""
    schedule = _schedule(events=3)
    schedule.failed(50)
    assert not schedule.due(55)
    assert schedule.due(60)
