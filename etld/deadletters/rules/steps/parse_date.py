"""parse_date: dates in other spellings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

from etld.deadletters.rules.steps import base, written_date

if TYPE_CHECKING:
    from etld.deadletters.rules.fields import Fields
    from etld.schemas.shape import Shape

# Units of an epoch in microseconds. A number is taken when it falls into the years 1973 to 2286:
# these ranges do not overlap, so a number of milliseconds is never read as seconds.
EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
NAMES = (*written_date.ORDERS, *EPOCHS)
_FIRST, _LAST = 10**14, 10**16
_NUMBER = re.compile(r"\d{9,17}(\.\d+)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ParseDate:
    """Reads a date by the first of `formats` that fits: an order such as day_first, an epoch's unit, or strptime's."""

    fields: Fields
    formats: tuple[str, ...]
    zone: tzinfo | None = None

    @classmethod
    def parse(cls, value: Any) -> Self:
        """`parse_date = { field = "triggered_at", formats = ["day_first", "epoch_ms"], zone = "Europe/Berlin" }`."""
        read = base.options(value, {"field": base.fields, "formats": _formats}, {"zone": _zone})
        return cls(read["field"], read["formats"], read.get("zone"))

    def apply(self, event: dict[str, Any], shape: Shape | None) -> None:
        """Write what fits as ISO 8601; without a zone it is taken in `[ingest] timezone`, as ever."""
        for ref in self.fields.refs(event, shape):
            parsed = self._read(ref.value)
            if parsed is not None:
                ref.value = parsed.isoformat()

    def _read(self, value: Any) -> datetime | None:
        for form in self.formats:
            parsed = _read(value, form)
            if parsed is not None:
                return parsed.replace(tzinfo=self.zone) if self.zone and parsed.tzinfo is None else parsed
        return None


def _read(value: Any, form: str) -> datetime | None:
    if form in EPOCHS:
        return _epoch(value, EPOCHS[form])
    if form in written_date.ORDERS:
        return written_date.read(value, form) if isinstance(value, str) else None
    return _date(value, form)


def _epoch(value: Any, unit: int) -> datetime | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    micros = round(value * unit) if -_LAST < value < _LAST else _LAST
    return _EPOCH + timedelta(microseconds=micros) if _FIRST <= micros < _LAST else None


def _date(value: Any, form: str) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        return datetime.strptime(value, form)  # noqa: DTZ007  # the zone is the caller's to add
    except ValueError:
        return None


def _formats(value: Any) -> tuple[str, ...]:
    formats = tuple(base.text(item) for item in base.one_or_more(value))
    for index, form in enumerate(formats):
        if form in NAMES:
            continue
        if "%" not in form:
            raise base.RuleError(
                f"{form!r} is no format: expected strptime's, such as '%d/%m/%Y', or one of"
                f" {', '.join(NAMES)}{base.guess(form, NAMES)}",
                index,
            )
        try:
            datetime.strptime("", form)  # noqa: DTZ007  # only the format is looked at
        except ValueError as error:
            if "does not match" not in str(error):
                raise base.RuleError(f"{form!r} is no format: {error}", index) from None
        except re.error as error:
            raise base.RuleError(f"{form!r} is no format: {error}", index) from None
    return formats


def _zone(value: Any) -> tzinfo:
    try:
        return ZoneInfo(base.text(value))
    except (KeyError, ValueError, OSError):
        raise base.RuleError(f"{value!r} is no time zone such as 'Europe/Berlin'") from None
