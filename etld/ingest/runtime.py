"""What lasts as long as the ingest process does, whatever a reload replaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etld.ingest.counters import IngestCounters
    from etld.ingest.http.status import ServerStatus
    from etld.ingest.producers import Producers
    from etld.worker import Worker


@dataclass(frozen=True, slots=True)
class IngestRuntime:
    """The worker, its producers, its counters and the server's clock."""

    worker: Worker
    producers: Producers
    counters: IngestCounters
    status: ServerStatus
