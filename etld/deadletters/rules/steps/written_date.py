"""Dates as people write them, by the order of day, month and year."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_MONTH = r"(?P<month>\d{1,2}|[A-Za-z]{3,9}\.?)"
_DAY = r"(?P<day>\d{1,2})"
_YEAR = r"(?P<year>\d{4}|\d{2})"
_BETWEEN = r"(?:\s*[/.\-]\s*|,?\s+)"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_CLOCK = (
    r"(?:(?:T|,?\s+)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<part>\d{1,9}))?)?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?(?:\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2}))?)?"
)


def _form(*parts: str) -> re.Pattern[str]:
    return re.compile(r"\s*" + _WEEKDAY + _BETWEEN.join(parts) + _CLOCK + r"\s*", re.IGNORECASE | re.ASCII)


# Any of / . - or a space between the parts, months also by their English names, a time and a zone behind.
ORDERS: Final = {
    "day_first": (_form(_DAY, _MONTH, _YEAR),),
    "month_first": (_form(_MONTH, _DAY, _YEAR),),
    "year_first": (
        _form(r"(?P<year>\d{4})", _MONTH, _DAY),
        re.compile(r"\s*(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})" + _CLOCK + r"\s*", re.IGNORECASE | re.ASCII),
    ),
}


def read(text: str, order: str) -> datetime | None:
    """The date, with a zone when the text names one; None when the text is none in this order."""
    for form in ORDERS[order]:
        found = form.fullmatch(text)
        if found is not None:
            try:
                return _date(found)
            except ValueError:
                return None
    return None


def _date(found: re.Match[str]) -> datetime:
    hour = int(found["hour"] or 0)
    if found["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(hour)
        hour = hour % 12 + (12 if found["half"].lower() == "p" else 0)
    micros = int((found["part"] or "").ljust(6, "0")[:6])
    return datetime(
        _year(found["year"]), _month(found["month"]), int(found["day"]),
        hour, int(found["minute"] or 0), int(found["second"] or 0), micros,
        tzinfo=_zone(found["zone"]),
    )  # fmt: skip


def _year(text: str) -> int:
    # Of two digits as POSIX reads them: 69 to 99 are of the last century.
    return int(text) if len(text) == 4 else int(text) + (1900 if int(text) >= 69 else 2000)


def _month(text: str) -> int:
    if text.isdecimal():
        return int(text)
    (number,) = (at for at, name in enumerate(_MONTHS, 1) if name.startswith(text.rstrip(".").lower()))
    return number


def _zone(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text.upper() in ("Z", "UTC", "GMT"):
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)
