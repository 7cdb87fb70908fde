"""Times as clients write them, to microseconds since 1970-01-01 UTC."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

from etld.events.limits import TIME_MAX, TIME_MIN

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)
_MINUTE = timedelta(minutes=1)
_LEAP = re.compile(r"(?P<before>.{16}):60(?P<after>\D.*|)")
_FRACTION = re.compile(r"[.,](\d+)")
EXPECTED = "a time as RFC 3339 (2025-01-31T12:00:00Z) or epoch seconds, year 1 to 9999"


@cache
def zone(name: str) -> tzinfo:
    """The time zone of that IANA name; raises zoneinfo.ZoneInfoNotFoundError."""
    return UTC if name == "UTC" else ZoneInfo(name)


def parse_time(value: object, local: str = "UTC") -> int:
    """Microseconds since the epoch of RFC 3339 text, ISO 8601 of a date and a time of day, or epoch seconds.

    Text without a zone is taken in the zone named `local`; a leap second is the last of a day in UTC.
    Digits beyond microseconds are cut off.
    Raises ValueError when it is no time, or one outside the years 1 to 9999.
    """
    if type(value) is str:
        return _parse_text(value, local)
    if type(value) is int:
        micros = value * 1_000_000
    elif type(value) is float and math.isfinite(micros_float := value * 1_000_000):
        micros = round(micros_float)
    else:
        raise ValueError(EXPECTED)
    if not TIME_MIN <= micros <= TIME_MAX:
        raise ValueError(EXPECTED)
    return micros


def _parse_text(text: str, local: str) -> int:
    leap, odd = 0, False
    # fromisoformat() takes more than we do: dates alone, week dates, no separators, no seconds.
    if len(text) < 19 or text[4] != "-" or text[7] != "-" or text[10] not in "Tt " or text[13:17:3] != "::":
        raise ValueError(EXPECTED)
    if text[17:19] == "60" and (match := _LEAP.fullmatch(text)):
        text, leap = f"{match['before']}:59{match['after']}", 1_000_000
    try:
        moment = datetime.fromisoformat(f"{text[:-1]}Z" if text[-1] == "z" else text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone(local))
        elif moment.tzinfo is not UTC:
            odd = bool(moment.utcoffset() % _MINUTE)  # type: ignore[operator]
        micros = (moment - _EPOCH) // _MICRO + leap
    except (ValueError, OverflowError):
        raise ValueError(EXPECTED) from None
    if odd or (leap and micros // 1_000_000 % 86_400) or not TIME_MIN <= micros <= TIME_MAX:
        raise ValueError(EXPECTED)
    return micros


def format_time(micros: int) -> str:
    """RFC 3339 text in UTC of microseconds since the epoch."""
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.isoformat(timespec="microseconds" if micros % 1_000_000 else "seconds").replace("+00:00", "Z")


def parse_date(value: object) -> int:
    """Days since 1970-01-01 of "YYYY-MM-DD"; raises ValueError."""
    if type(value) is str and len(value) == 10 and value[4] == "-" and value[7] == "-":
        return (date.fromisoformat(value) - _EPOCH.date()).days
    raise ValueError("not a date")


def parse_clock(value: object) -> int:
    """Microseconds since midnight of "HH:MM[:SS[.ffffff]]" without a zone; raises ValueError."""
    if type(value) is not str or len(value) < 5 or value[2] != ":":
        raise ValueError("not a time of day")
    parsed = time.fromisoformat(value)
    if parsed.tzinfo is not None:
        raise ValueError("a time of day has no zone")
    return ((parsed.hour * 60 + parsed.minute) * 60 + parsed.second) * 1_000_000 + parsed.microsecond
