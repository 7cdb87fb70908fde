"""What an aggregator does with records before it writes sums, in a process of its own; see `etld.isolation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.aggregator.batch_totals import totals
from etld.frames.isolated import events
from etld.summaries import definition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etld.config import Config
    from etld.isolation.program import Surroundings, Work


def opened(config: Config, topic: str, around: Surroundings) -> Work:
    """The work on values of records of one topic; the payload is the configuration."""
    (event_type,) = (name for name, kind in config.event_types.items() if kind.topic == topic)
    ready = events(config, event_type, around)
    summaries = definition.read(config.summaries, config.event_types)

    def work(values: Sequence[bytes | None]) -> None:
        frames = [frame for frame in ready(values) if frame.height]
        around.stage("TASK_PUT")
        for summary in summaries:
            totals(frames, summary)

    return work
