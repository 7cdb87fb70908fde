"""Where partitions begin and end, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Length = Literal["month", "week", "day"]

#: Leaves are there for so long, and for so many whole periods, before their time comes.
AHEAD = timedelta(days=7)
PERIODS_AHEAD = 2


def name(begin: datetime) -> str:
    """What the leaf that begins then is called, in schema etld."""
    return f"processed_events_{begin:%Y%m%d}"


def floor(length: Length, moment: datetime) -> datetime:
    """The start of the period that a moment lies in; a week begins on Monday."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if length == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if length == "week" else day


def after(length: Length, moment: datetime) -> datetime:
    """The next start of a period after a moment."""
    begin = floor(length, moment)
    if length == "month":
        return floor(length, begin + timedelta(days=31))
    return begin + timedelta(days=7 if length == "week" else 1)


def horizon(length: Length, now: datetime) -> datetime:
    """Until when there must be leaves."""
    end = after(length, now)
    for _ in range(PERIODS_AHEAD):
        end = after(length, end)
    return max(end, now + AHEAD)


def missing(length: Length, begin: datetime, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Begin and end of each leaf to make, when the last that there is ends at `begin`."""
    until = horizon(length, now)
    while begin < until:
        end = after(length, begin)
        yield begin, end
        begin = end
