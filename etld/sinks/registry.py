"""The sinks that there are, one a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.sinks import memory
from etld.sinks.postgres import sink as postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from etld.sinks.base import Consumer, Sink
    from etld.worker import Worker

    OpenSink = Callable[[Worker, Consumer], Sink]

SINKS: Mapping[str, OpenSink] = {
    "memory": memory.open_sink,
    "postgres": postgres.open_sink,
}
