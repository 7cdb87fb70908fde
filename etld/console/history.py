"""What the daemon did in the last minutes: rates by kind of worker, and how long events took."""

from __future__ import annotations

import re
import time
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Seconds between two looks, and how many of them are kept: five minutes.
EVERY, KEPT = 2.0, 150
#: Seconds of events that a latency is of, and for which it is looked at after somebody wanted to know.
LATENCY_OF, WANTED = 60.0, 15.0
_BUCKET = re.compile(r"^etld_end_to_end_seconds_bucket\{([^}]*)\} (\S+)", re.MULTILINE)
_BOUND = re.compile(r'le="([^"]+)"')


class History:
    """Looks at the daemon, oldest first; to be added to and read in any thread."""

    def __init__(self) -> None:
        self._rates: deque[Mapping[str, float]] = deque(maxlen=KEPT)
        self._latencies: deque[tuple[float, Mapping[float, float]]] = deque(maxlen=KEPT)
        self._wanted = -WANTED

    def add(self, status: Mapping[str, Any]) -> None:
        """Note what workers do now."""
        self._rates.append(rates(status["workers"]))

    def rates(self, kind: str) -> list[float]:
        """Those of one kind of worker."""
        return [look.get(kind, 0.0) for look in list(self._rates)]

    @property
    def latency_wanted(self) -> bool:
        """Does somebody look at the latency, whose figures cost the daemon more than the others?"""
        return time.monotonic() - self._wanted < WANTED

    def add_latencies(self, metrics: str) -> None:
        """Note how long events took until now."""
        self._latencies.append((time.monotonic(), histogram(metrics)))

    def latency(self) -> dict[str, float | None]:
        """Seconds from acceptance to commit: `p50` of the middle event, `p99` of the slowest but 1 %.

        They are of the events of the last `of` seconds, at most a minute; None while that is not known.
        """
        self._wanted = time.monotonic()
        looks = [look for look in list(self._latencies) if look[0] >= self._wanted - LATENCY_OF]
        if len(looks) < 2:
            return {"of": None, "p50": None, "p99": None}
        (began, before), (ended, after) = looks[0], looks[-1]
        counts = {bound: count - before.get(bound, 0.0) for bound, count in after.items()}
        return {"of": round(ended - began, 1), "p50": quantile(counts, 0.5), "p99": quantile(counts, 0.99)}


def rates(workers: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Events a second by kind of worker."""
    found: dict[str, float] = {}
    for worker in workers:
        found[worker["kind"]] = found.get(worker["kind"], 0.0) + worker["rate"]
    return found


def histogram(metrics: str) -> dict[float, float]:
    """The cumulated counts of `etld_end_to_end_seconds` by upper bound, of all workers, from Prometheus' text."""
    found: dict[float, float] = {}
    for labels, count in _BUCKET.findall(metrics):
        bound = _BOUND.search(labels)
        if bound is not None:
            found[float(bound[1])] = found.get(float(bound[1]), 0.0) + float(count)
    return found


def quantile(counts: Mapping[float, float], share: float) -> float | None:
    """Where so large a share of the counted lies below, straight between two bounds; None: nothing was counted."""
    bounds = sorted(counts)
    if not bounds or counts[bounds[-1]] <= 0:
        return None
    wanted = share * counts[bounds[-1]]
    for low, high in pairwise([0.0, *bounds]):
        below, here = counts.get(low, 0.0), counts[high]
        if here >= wanted:
            return low if high == float("inf") else low + (high - low) * (wanted - below) / max(here - below, 1e-9)
    return None
