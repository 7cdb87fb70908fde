"""The steps that processor and aggregator share, from values to rows that count, in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.frames.ready import ready
from etld.frames.transform import load_transform
from etld.schemas.registry.asked import asked_schemas
from etld.serdes import base, formats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

    from etld.config import Config
    from etld.isolation.program import Surroundings


def events(
    config: Config, event_type: str, around: Surroundings
) -> Callable[[Sequence[bytes | None]], list[pl.DataFrame]]:
    """What makes values of records of an event type into the frames of those that count; see `etld.isolation`."""
    schemas = asked_schemas(config, around.ask)
    transform = load_transform(config.event_types[event_type].transform)

    def work(values: Sequence[bytes | None]) -> list[pl.DataFrame]:
        around.stage(base.STAGE)
        decoded = formats.decode_batch(values, schemas)
        around.stage("TRANSFORM")
        return [ready(frame, transform, event_type)[0] for frame in decoded.frames]

    return work
