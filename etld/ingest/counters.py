"""Counts since the last beat: plain integers on the hot path, handed to the worker twice a second."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etld.config.sections.ingest import SegmentCallsSection

if TYPE_CHECKING:
    from etld.ingest.keys import Key
    from etld.worker import Worker

_TOTALS = ("accepted", "rejected", "dead_lettered", "sampled", "unavailable", "limited")


@dataclass(slots=True)
class IngestCounters:
    """`accepted`: events that a 2xx vouches for, dead letters among them; `rejected`: 4xx."""

    accepted: int = 0
    rejected: int = 0
    dead_lettered: int = 0
    sampled: int = 0
    unavailable: int = 0
    limited: int = 0
    requests: int = 0
    #: Segment's calls that are ignored, by their names.
    ignored: Counter[str] = field(default_factory=Counter)
    #: By the key's name and "accepted", "rejected", "limited" or "unavailable".
    by_key: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count_key(self, key: Key | None, result: str, count: int = 1) -> None:
        """Count events, or a request that was not read as far as its events, for the key that it came with."""
        if key is not None:
            self.by_key[key.name, result] += count

    def refused(self, status: int, key: Key | None) -> None:
        """Count a request that was answered with this status before its events were looked at."""
        if status == 429:
            self.limited += 1
            self.count_key(key, "limited")
        elif status != 503:
            self.rejected += 1
            self.count_key(key, "rejected")

    @staticmethod
    def begin(worker: Worker) -> None:
        """Show every counter from the start: one that appears with its first event hides that event's increase."""
        for name in (*_TOTALS, "http_requests"):
            worker.count(name, 0)
        for call in SegmentCallsSection.model_fields:
            worker.count("ignored_calls", 0, call=call)

    def flush(self, worker: Worker) -> None:
        """Add everything to the worker's counters and begin again."""
        if self.accepted:
            worker.events(self.accepted)
        for name in _TOTALS:
            count = getattr(self, name)
            if count:
                worker.count(name, count)
                setattr(self, name, 0)
        if self.requests:
            worker.count("http_requests", self.requests)
            self.requests = 0
        for call, count in self.ignored.items():
            worker.count("ignored_calls", count, call=call)
        self.ignored.clear()
        for (key, result), count in self.by_key.items():
            worker.count("key_events", count, key=key, result=result)
        self.by_key.clear()
