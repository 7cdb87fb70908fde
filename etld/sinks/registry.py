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


def _open_lake(worker: Worker, consumer: Consumer) -> Sink:
    # What speaks Iceberg is large, and only the lake's own worker needs it.
    from etld.sinks.iceberg.opening import open_sink

    return open_sink(worker, consumer)


SINKS: Mapping[str, OpenSink] = {
    "lake": _open_lake,
    "memory": memory.open_sink,
    "postgres": postgres.open_sink,
}
