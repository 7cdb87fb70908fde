"""What the lake does with records before it writes them, in a process of its own; see `etld.isolation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from etld.frames.isolated import events
from etld.schemas.catalog import of_registered
from etld.sinks.iceberg.layout import Layout
from etld.sinks.iceberg.rows import rows_of
from etld.sinks.postgres.columns import ACCEPTED_AT, OFFSET, PARTITION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.config import Config
    from etld.isolation.program import Surroundings, Work


def opened(payload: tuple[Config, str], _topic: str, around: Surroundings) -> Work:
    """The work on values of records; `payload` is the configuration and the event type."""
    config, event_type = payload
    ready = events(config, event_type, around)
    columns = Layout.of(of_registered(config).types[event_type].schema.tree).columns
    origin = {PARTITION: pl.Int32(), OFFSET: pl.Int64(), ACCEPTED_AT: pl.Datetime("us", "UTC")}

    def work(values: Sequence[bytes | None]) -> None:
        frames = [
            frame.with_columns(pl.lit(0, kind).alias(name) for name, kind in origin.items()) for frame in ready(values)
        ]
        around.stage("TASK_PUT")
        rows_of(frames, columns)

    return work
