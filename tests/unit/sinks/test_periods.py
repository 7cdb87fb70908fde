"""Where partitions begin and end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from etld.sinks.postgres.partitions import periods
from etld.sinks.postgres.partitions.periods import Length


@pytest.mark.parametrize(
    ("length", "moment", "begin", "end"),
    [
        ("day", datetime(2026, 12, 31, 23, 59, 59, 999999, UTC), "2026-12-31", "2027-01-01"),
        ("week", datetime(2026, 11, 29, 23, tzinfo=UTC), "2026-11-23", "2026-11-30"),
        ("week", datetime(2026, 11, 30, tzinfo=UTC), "2026-11-30", "2026-12-07"),
        ("month", datetime(2028, 2, 29, 12, tzinfo=UTC), "2028-02-01", "2028-03-01"),
        ("month", datetime(2026, 12, 1, tzinfo=UTC), "2026-12-01", "2027-01-01"),
        (
            "day",
            datetime(2026, 6, 1, 1, tzinfo=timezone(timedelta(hours=2))),
            "2026-05-31",
            "2026-06-01",
        ),
    ],
)
def test_a_moment_lies_in_its_period(length: Length, moment: datetime, begin: str, end: str) -> None:
    assert f"{periods.floor(length, moment):%Y-%m-%d %H:%M %Z}" == f"{begin} 00:00 UTC"
    assert f"{periods.after(length, moment):%Y-%m-%d %H:%M %Z}" == f"{end} 00:00 UTC"


@pytest.mark.parametrize("length", ["day", "week", "month"])
@pytest.mark.parametrize("now", [datetime(2026, 11, 30, 23, 59, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)])
def test_leaves_are_made_well_ahead_without_a_gap(length: Length, now: datetime) -> None:
    begin = now - timedelta(days=2, hours=3)
    made = list(periods.missing(length, begin, now))
    assert made[0][0] == begin
    assert [end for _, end in made[:-1]] == [start for start, _ in made[1:]]
    assert made[-1][1] >= now + timedelta(days=7)
    assert sum(start > now for start, _ in made) >= 2
    assert list(periods.missing(length, made[-1][1], now)) == []
    assert len({periods.name(start) for start, _ in made}) == len(made)
