"""What a worker counts, and the changes that go into its next beat."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from etld.worker.declared_metrics import bounds

Labels = tuple[tuple[str, str], ...]
Key = tuple[str, Labels]
#: Among totals that every daemon of a database sees alike: 1 in the one process that tells Prometheus of them, else 0.
TELLS = "tells"


def key(name: str, labels: Mapping[str, object]) -> Key:
    """One time series."""
    return name, tuple(sorted((k, str(v)) for k, v in labels.items()))


@dataclass(slots=True)
class Histogram:
    """Counts by bucket (the last one is +Inf), not cumulated."""

    buckets: list[int]
    total: float = 0.0

    def add(self, name: str, value: float, n: int) -> None:
        """Count n observations of one value."""
        self.buckets[bisect_left(bounds(name), value)] += n
        self.total += value * n


@dataclass(slots=True)
class Metrics:
    """Absolute values since the worker began; changes() gives what the supervisor has not been told."""

    events: int = 0
    counters: dict[Key, int] = field(default_factory=dict)
    gauges: dict[Key, float] = field(default_factory=dict)
    histograms: dict[Key, Histogram] = field(default_factory=dict)
    lags: dict[str, int] = field(default_factory=dict)
    totals: dict[str, dict[str, int]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _dirty: dict[str, set[Any]] = field(default_factory=dict)

    def add_events(self, n: int) -> None:
        """Count n of the main unit."""
        with self._lock:
            self.events += n

    def count(self, series: Key, n: int) -> None:
        """Add n to a counter."""
        with self._lock:
            self.counters[series] = self.counters.get(series, 0) + n
            self._mark("counters", series)

    def gauge(self, series: Key, value: float | None) -> None:
        """Set a gauge, or end its series with None."""
        with self._lock:
            if self.gauges.get(series) != value:
                if value is None:
                    del self.gauges[series]
                else:
                    self.gauges[series] = value
                self._mark("gauges", series)

    def observe(self, series: Key, value: float, n: int) -> None:
        """Add n observations of one value to a histogram."""
        with self._lock:
            histogram = self.histograms.get(series)
            if histogram is None:
                histogram = self.histograms[series] = Histogram([0] * (len(bounds(series[0])) + 1))
            histogram.add(series[0], value, n)
            self._mark("histograms", series)

    def lag(self, source: str, events: int) -> None:
        """Set a source's lag; told again though it is the same, since another process may have had the source."""
        with self._lock:
            self.lags[source] = events
            self._mark("lags", source)

    def no_lag(self) -> None:
        """There is no source: as good as to tell the lag of all."""
        with self._lock:
            self._dirty.setdefault("lags", set())

    def total(self, source: str, values: Mapping[str, int]) -> None:
        """Set a source's totals."""
        with self._lock:
            if self.totals.get(source) != values:
                self.totals[source] = dict(values)
                self._mark("totals", source)

    def forget(self, source: str) -> None:
        """A source is another process's now: its lag and its totals are that one's to tell."""
        with self._lock:
            self.lags.pop(source, None)
            self._mark("lags", source)
            self.totals.pop(source, None)
            self._mark("totals", source)

    def fault(self, name: str, message: str | None) -> bool:
        """Set or clear a fault; True when that is news."""
        with self._lock:
            if self.faults.get(name) == message:
                return False
            if message is None:
                del self.faults[name]
            else:
                self.faults[name] = message
            self._mark("faults", name)
            return True

    def changes(self) -> dict[str, Any]:
        """The values that changed since the last call, ready for JSON."""
        with self._lock:
            dirty, self._dirty = self._dirty, {}
            out: dict[str, Any] = {"events": self.events}
            for part in ("counters", "gauges"):
                if part in dirty:
                    values = getattr(self, part)
                    out[part] = [[name, labels, values.get((name, labels))] for name, labels in dirty[part]]
            if "histograms" in dirty:
                out["histograms"] = [
                    [name, labels, list(self.histograms[name, labels].buckets), self.histograms[name, labels].total]
                    for name, labels in dirty["histograms"]
                ]
            for part in ("lags", "totals", "faults"):
                if part in dirty:
                    out[part] = {name: getattr(self, part).get(name) for name in dirty[part]}
            return out

    def _mark(self, part: str, what: object) -> None:
        self._dirty.setdefault(part, set()).add(what)
