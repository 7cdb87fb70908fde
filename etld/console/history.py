"""What the daemon did in the last minutes: rates by kind of worker, and how long events took."""

from __future__ import annotations

import re
import time
from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Seconds between two looks, and how many of them are kept: five minutes.
EVERY, KEPT = 2.0, 150
#: Seconds of events that a latency is of.
LATENCY_OF = 60.0
_BUCKET = re.compile(r"^etld_end_to_end_seconds_bucket\{([^}]*)\} (\S+)", re.MULTILINE)
_BOUND = re.compile(r'le="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Look:
    """The daemon at one moment: rates in events a second by kind, and the histogram of latencies by upper bound."""

    at: float
    rates: Mapping[str, float]
    latencies: Mapping[float, float]


class History:
    """The looks of the last minutes, oldest first."""

    def __init__(self) -> None:
        self._looks: deque[Look] = deque(maxlen=KEPT)

    def add(self, status: Mapping[str, Any], metrics: str) -> None:
        """Note what the daemon says now."""
        self._looks.append(Look(time.monotonic(), rates(status["workers"]), histogram(metrics)))

    def rates(self, kind: str) -> list[float]:
        """Those of one kind of worker, oldest first."""
        return [look.rates.get(kind, 0.0) for look in self._looks]

    def latency(self) -> dict[str, float | None]:
        """Seconds from acceptance to commit of the events of the last minute: the middle one, the slowest but 1 %."""
        looks = list(self._looks)
        if not looks:
            return {"p50": None, "p99": None}
        newest = looks[-1]
        oldest = next(look for look in looks if look.at >= newest.at - LATENCY_OF)
        counts = {bound: count - oldest.latencies.get(bound, 0.0) for bound, count in newest.latencies.items()}
        return {"p50": quantile(counts, 0.5), "p99": quantile(counts, 0.99)}


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
