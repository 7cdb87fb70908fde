"""What a processor does with records before it writes them, in a process of its own; see `etld.isolation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from etld.frames.isolated import events
from etld.sinks.postgres import event_rows
from etld.sinks.postgres.columns import ACCEPTED_AT, OFFSET, PARTITION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.config import Config
    from etld.isolation.program import Surroundings, Work


def opened(payload: tuple[Config, str], _topic: str, around: Surroundings) -> Work:
    """The work on values of records; `payload` is the configuration and the event type."""
    config, event_type = payload
    ready = events(config, event_type, around)
    place = [
        pl.lit(0, pl.Int32).alias(PARTITION),
        pl.lit(0, pl.Int64).alias(OFFSET),
        pl.lit(0, pl.Datetime("us", "UTC")).alias(ACCEPTED_AT),
    ]

    def work(values: Sequence[bytes | None]) -> None:
        frames = [frame.with_columns(place) for frame in ready(values)]
        around.stage("TASK_PUT")
        event_rows.encode(frames)

    return work
