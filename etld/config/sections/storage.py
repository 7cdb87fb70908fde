"""Events for years: partitions of the table, and how long what is kept."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from etld.config.sections.base import Duration, OptionalFile, Section, at_least, quantity
from etld.config.units import FOREVER, format_duration, format_retention, parse_duration, parse_retention

#: How much of accepted_at one partition holds; None: the table has no partitions.
Period = Literal["month", "week", "day"] | None

DAY = 86_400.0
#: Of the file that names none, and no shorter retention.
DEDUP_WINDOW = "30 d"
#: The least that a partition of each kind spans, longest first, in seconds.
PERIODS = {"month": 28 * DAY, "week": 7 * DAY, "day": DAY}


def _day_or_more(value: float | None) -> float | None:
    if value is not None and value < DAY:
        raise ValueError(f'expected "{FOREVER}" or at least "1 d"')
    return value


#: Seconds, None for "forever".
Retention = Annotated[
    float | None,
    BeforeValidator(parse_retention),
    AfterValidator(_day_or_more),
    PlainSerializer(format_retention, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\s*([0-9]+(\.[0-9]+)?\s*(ms|s|min|h|d)|forever)\s*$"}),
]


class StorageSection(Section):
    """How the events' table is cut, and how long rows and dead letters are kept."""

    partition: Literal["auto", "month", "week", "day", "none"] = Field(
        "auto", description="What one partition holds; auto: the longest that fits dedup_window and retention."
    )
    dedup_window: Annotated[Duration, at_least(DAY, "1 d")] = quantity(
        DEDUP_WINDOW,
        "An event_id is known for so long; what comes later with it is a new event. Left out: 30 d, or the shortest"
        " retention where that is less.",
    )
    retention: Retention = quantity(FOREVER, 'Events are kept for so long after Kafka took them; "forever": for ever.')
    dead_letter_retention: Retention = quantity(FOREVER, "The same for dead letters, parked ones too.")

    erasure_key_file: OptionalFile = Field(
        None, description='The key of the hashes by which `etld forget` remembers; "": erasure.key in state_dir.'
    )

    @property
    def period(self) -> Period:
        """What one partition holds, with "auto" decided."""
        if self.partition == "none":
            return None
        if self.partition != "auto":
            return self.partition
        return self.longest

    @property
    def longest(self) -> Period:
        """The longest partition that fits both times."""
        most = min(self.dedup_window, self.retention or self.dedup_window)
        return "month" if most >= PERIODS["month"] else "week" if most >= PERIODS["week"] else "day"


def with_fitting_window(data: Any) -> Any:
    """The data of a whole file, with the dedup_window that it leaves out where a retention is shorter than the default.

    What is wrong in it is left for others to tell.
    """
    storage = data.get("storage", {}) if isinstance(data, dict) else None
    if not isinstance(storage, dict) or "dedup_window" in storage:
        return data
    kinds = data.get("event_types")
    tables = [storage, *(kinds.values() if isinstance(kinds, dict) else ())]
    kept = [_seconds(table.get("retention")) for table in tables if isinstance(table, dict)]
    shortest = min((seconds for seconds in kept if seconds is not None), default=None)
    if shortest is None or not DAY <= shortest < parse_duration(DEDUP_WINDOW):
        return data
    return {**data, "storage": {**storage, "dedup_window": format_duration(shortest)}}


def _seconds(retention: object) -> float | None:
    try:
        return parse_retention(retention)
    except ValueError:
        return None
