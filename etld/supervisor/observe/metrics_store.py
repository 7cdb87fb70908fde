"""The numbers of all workers; what a worker had counted outlives it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from etld.worker.metrics import TELLS, Labels

Series = tuple[str, str, Labels]
K = TypeVar("K")
V = TypeVar("V")
RATE_WINDOW = 5.0
# A worker tells its lag every second. What is older than this says nothing of the present.
_LAG_HOLDS = 10.0
#: So long the totals of a source stay whose process ended; then it is another daemon that reads it.
_ORPHANED_FOR = 60.0

#: Of these a worker reports what the table holds now, which can become less; Prometheus is told what came.
_FALLING = ("dead", "repaired", "parked")

#: Which kind's totals count for which number of the status. Dead letters come from ingest too: the
#: corrector has them all.
OF_KIND = {
    "stored": "processor",
    "duplicate": "processor",
    "dead": "corrector",
    "repaired": "corrector",
    "parked": "corrector",
}


@dataclass(slots=True)
class Account:
    """What one live process has said of itself: absolute values since it began."""

    worker: str
    kind: str
    events: int = 0
    counters: dict[tuple[str, Labels], int] = field(default_factory=dict)
    histograms: dict[tuple[str, Labels], tuple[list[int], float]] = field(default_factory=dict)
    gauges: dict[tuple[str, Labels], float] = field(default_factory=dict)
    lags: dict[str, int] = field(default_factory=dict)
    #: When it last said how far behind it is; None: not yet, or it reads nothing.
    lags_told: float | None = None
    faults: dict[str, str] = field(default_factory=dict)
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    def rate(self, now: float) -> float:
        """Events a second, over the last seconds."""
        if not self.samples:
            return 0.0
        then, events = self.samples[0]
        return max(0.0, (self.events - events) / max(now - then, 1.0))


class MetricsStore:
    """Live accounts by pid, and what is left of closed ones."""

    def __init__(self) -> None:
        self._live: dict[int, Account] = {}
        self._counters: dict[Series, int] = {}
        self._histograms: dict[Series, tuple[list[int], float]] = {}
        self._totals: dict[tuple[str, str], dict[str, int]] = {}
        self._grown: dict[str, int] = {}
        #: By source of totals: the process that told them last, and since when that one is gone.
        self._owners: dict[tuple[str, str], int] = {}
        self._orphans: dict[tuple[str, str], float] = {}
        #: By (kind, "topic:partition"): what waited when the last process that read it ended, and its worker.
        self._left: dict[tuple[str, str], tuple[int, str]] = {}

    def open(self, pid: int, worker: str, kind: str) -> None:
        """A process began."""
        self._live[pid] = Account(worker, kind)

    def account(self, pid: int | None) -> Account | None:
        """A live process's numbers."""
        return self._live.get(pid) if pid is not None else None

    def close(self, pid: int) -> None:
        """A process ended: its counters stay, and what it was behind until another says how far it is."""
        account = self._live.pop(pid, None)
        if account is None:
            return
        left = {(account.kind, source): (n, account.worker) for source, n in account.lags.items() if n}
        self._left.update(left)
        for (name, labels), value in account.counters.items():
            series = (account.worker, name, labels)
            self._counters[series] = self._counters.get(series, 0) + value
        for (name, labels), values in account.histograms.items():
            series = (account.worker, name, labels)
            self._histograms[series] = _add(self._histograms.get(series), values)

    def beat(self, pid: int, message: dict[str, Any], now: float) -> None:
        """Take a worker's beat (etld.worker.channel). Raises ValueError, TypeError, KeyError for a wrong one."""
        account = self._live.get(pid)
        if account is None:
            return
        account.events = int(message.get("events", account.events))
        self._forget_orphans(now)
        account.samples.append((now, account.events))
        while len(account.samples) > 1 and account.samples[1][0] <= now - RATE_WINDOW:
            account.samples.popleft()
        for name, labels, value in message.get("counters", ()):
            account.counters[name, _labels(labels)] = int(value)
        for name, labels, value in message.get("gauges", ()):
            _put(account.gauges, (name, _labels(labels)), None if value is None else float(value))
        for name, labels, buckets, total in message.get("histograms", ()):
            account.histograms[name, _labels(labels)] = ([int(b) for b in buckets], float(total))
        if "lags" in message:
            account.lags_told = now
        for source, events in message.get("lags", {}).items():
            self._left.pop((account.kind, source), None)
            _put(account.lags, source, None if events is None else int(events))
        for source, values in message.get("totals", {}).items():
            self._take_totals(pid, (account.kind, source), values)
        for name, text in message.get("faults", {}).items():
            _put(account.faults, name, text)

    def _take_totals(self, pid: int, source: tuple[str, str], values: dict[str, int] | None) -> None:
        """None: handed over. Perhaps to another process here, which has told them already."""
        if values is not None:
            self._grow(*source, values)
            self._totals[source] = values
            self._owners[source] = pid
        elif self._owners.get(source, pid) == pid:
            self._totals.pop(source, None)
            self._owners.pop(source, None)

    def _forget_orphans(self, now: float) -> None:
        """Totals whose process ended, and which no other took up: another daemon tells them."""
        for source in self._totals:
            if self._owners.get(source) in self._live:
                self._orphans.pop(source, None)
            else:
                self._orphans.setdefault(source, now)
        for source in [one for one, since in self._orphans.items() if now - since >= _ORPHANED_FOR]:
            del self._orphans[source]
            self._totals.pop(source, None)
            self._owners.pop(source, None)

    def _grow(self, kind: str, source: str, values: dict[str, int]) -> None:
        """Add what has come to the numbers that may fall; what was there when the daemon began is no news."""
        before = self._totals.get((kind, source), values)
        for name in _FALLING:
            if OF_KIND[name] == kind and name in values and before.get(TELLS, 1) and values.get(TELLS, 1):
                came = max(0, values[name] - before.get(name, values[name]))
                self._grown[name] = self._grown.get(name, 0) + came

    def faults(self) -> dict[str, dict[str, str]]:
        """Worker to (name to message), of those that have any."""
        return {a.worker: dict(a.faults) for a in self._live.values() if a.faults}

    def totals(self) -> dict[str, int]:
        """The status's totals: accepted and rejected since the daemon started, the others from the database."""
        result = {"accepted": 0, "rejected": 0, **dict.fromkeys(OF_KIND, 0)}
        for (_, name, _), value in self.counters():
            if name in ("accepted", "rejected"):
                result[name] += value
        for (kind, _), values in self._totals.items():
            for name, value in values.items():
                if OF_KIND.get(name) == kind:
                    result[name] += value
        return result

    def database_counters(self) -> Iterator[tuple[str, str, int]]:
        """(name, "topic:partition" or "", value): what the database counts, as counters that never fall.

        A source's numbers appear when a worker has read them: a sum that is not whole yet would look like a
        reset, and the rest of it like a sudden burst.
        """
        for (kind, source), values in sorted(self._totals.items()):
            for name in ("stored", "duplicate", "filtered", "expired", "forgotten"):
                if kind == "processor" and name in values:
                    yield name, source, values[name]
        for name, value in self._grown.items():
            yield name, "", value

    def counters(self) -> Iterator[tuple[Series, int]]:
        """Every counter, over all lives of its worker."""
        merged = dict(self._counters)
        for account in self._live.values():
            for (name, labels), value in account.counters.items():
                series = (account.worker, name, labels)
                merged[series] = merged.get(series, 0) + value
        yield from sorted(merged.items())

    def histograms(self) -> Iterator[tuple[Series, tuple[list[int], float]]]:
        """Every histogram, over all lives of its worker."""
        merged = dict(self._histograms)
        for account in self._live.values():
            for (name, labels), values in account.histograms.items():
                series = (account.worker, name, labels)
                merged[series] = _add(merged.get(series), values)
        yield from sorted(merged.items())

    def gauges(self) -> Iterator[tuple[Series, float]]:
        """Every gauge of a live worker."""
        yield from sorted(
            ((account.worker, name, labels), value)
            for account in self._live.values()
            for (name, labels), value in account.gauges.items()
        )

    def lags(self) -> Iterator[tuple[str, str, int]]:
        """(worker, "topic:partition", events) of live workers."""
        for account in self._live.values():
            for source, events in sorted(account.lags.items()):
                yield account.worker, source, events

    def lag(self, worker: str, pid: int | None, now: float) -> int | None:
        """How many events a worker is behind; None where nobody knows.

        A process that has not looked yet is as far behind as the one before it was: never 0 for want of knowledge.
        """
        account = self.account(pid)
        if account is not None and account.lags_told is not None:
            return sum(account.lags.values()) if now - account.lags_told < _LAG_HOLDS else None
        return sum(events for events, whose in self._left.values() if whose == worker) or None

    def lag_seconds(self, pid: int | None) -> float | None:
        """For how long the oldest event has waited that a live process is behind; None where nobody knows."""
        gauges = account.gauges if (account := self.account(pid)) else {}
        return max((value for (name, _), value in gauges.items() if name == "consumer_lag_seconds"), default=None)

    def waiting(self) -> Iterator[tuple[str, str, int]]:
        """(kind, "topic:partition", events) of all that waits, whether a worker lives that reads it or not."""
        left = {key: events for key, (events, _) in self._left.items()}
        found = {(a.kind, source): events for a in self._live.values() for source, events in a.lags.items() if events}
        for (kind, source), events in sorted((left | found).items()):
            yield kind, source, events

    def save(self) -> dict[str, Any]:
        """All of it for JSON."""
        return {
            "live": [
                [
                    pid,
                    a.worker,
                    a.kind,
                    {
                        "events": a.events,
                        "counters": [[n, list(labels), v] for (n, labels), v in a.counters.items()],
                        "gauges": [[n, list(labels), v] for (n, labels), v in a.gauges.items()],
                        "histograms": [[n, list(labels), b, t] for (n, labels), (b, t) in a.histograms.items()],
                        **({} if a.lags_told is None else {"lags": a.lags}),
                        "faults": a.faults,
                    },
                ]
                for pid, a in self._live.items()
            ],
            "counters": [[w, n, list(labels), v] for (w, n, labels), v in self._counters.items()],
            "histograms": [[w, n, list(labels), b, t] for (w, n, labels), (b, t) in self._histograms.items()],
            "totals": [[kind, source, values] for (kind, source), values in self._totals.items()],
            "owners": [[kind, source, pid] for (kind, source), pid in self._owners.items()],
            "grown": self._grown,
            "left": [[kind, source, *left] for (kind, source), left in self._left.items()],
        }

    @classmethod
    def restore(cls, saved: dict[str, Any], now: float) -> MetricsStore:
        """The inverse of save()."""
        store = cls()
        for pid, worker, kind, values in saved["live"]:
            store.open(pid, worker, kind)
            store.beat(pid, values, now)
        for worker, name, labels, value in saved["counters"]:
            store._counters[worker, name, _labels(labels)] = value
        for worker, name, labels, buckets, total in saved["histograms"]:
            store._histograms[worker, name, _labels(labels)] = (buckets, total)
        for kind, source, values in saved["totals"]:
            store._totals[kind, source] = values
        store._owners = {(kind, source): pid for kind, source, pid in saved.get("owners", ())}
        store._grown = dict(saved.get("grown", {}))
        # An earlier version does not say whose it was.
        store._left = {(kind, source): (n, *(whose or ("",))) for kind, source, n, *whose in saved.get("left", ())}
        return store


def _put(values: dict[K, V], key: K, value: V | None) -> None:
    """Set an entry, or take it out for None."""
    if value is None:
        values.pop(key, None)
    else:
        values[key] = value


def _labels(pairs: Any) -> Labels:
    return tuple((str(name), str(value)) for name, value in pairs)


def _add(a: tuple[list[int], float] | None, b: tuple[list[int], float]) -> tuple[list[int], float]:
    if a is None or len(a[0]) != len(b[0]):
        return b
    return [x + y for x, y in zip(a[0], b[0], strict=True)], a[1] + b[1]
