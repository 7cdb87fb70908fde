"""The daemon's numbers for Prometheus, in its text format (exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from etld.worker.declared_metrics import bounds, help_of

if TYPE_CHECKING:
    from etld.supervisor.observe.metrics_store import MetricsStore, Series
    from etld.supervisor.slots.machine import WorkerSlot


@dataclass(frozen=True, slots=True)
class Facts:
    """What the metrics store does not know.

    `free`: bytes by path; `memory`: bytes by worker; `silent`: names of workers.
    """

    version: str
    ready: bool
    uptime: float
    faults: Mapping[str, Mapping[str, str]]
    memory: Mapping[str, int]
    free: Mapping[str, int]
    silent: frozenset[str] = frozenset()


def render(store: MetricsStore, slots: Iterable[WorkerSlot], facts: Facts) -> str:
    """Everything, one family after the other."""
    return generate_latest(DaemonCollector(store, list(slots), facts)).decode()


class DaemonCollector(Collector):
    """What the supervisor sees of its workers, and what they have counted."""

    def __init__(self, store: MetricsStore, slots: Sequence[WorkerSlot], facts: Facts) -> None:
        self._store = store
        self._slots = slots
        self._facts = facts

    def collect(self) -> Iterator[Metric]:
        """Every family that has a sample."""
        for family in (*self._of_daemon(), *self._of_workers(), *self._counted()):
            if family.samples:
                yield family

    def _of_daemon(self) -> Iterator[Metric]:
        facts = self._facts
        build = GaugeMetricFamily("etld_build_info", "Always 1; the version is a label.", labels=["version"])
        build.add_metric([facts.version], 1)
        yield build
        yield _gauge("etld_ready", "1 when every worker runs and none reports a fault.", facts.ready)
        yield _gauge("etld_uptime_seconds", "Since the daemon started.", round(facts.uptime, 3))
        yield _gauge("etld_broker_up", "1 when Kafka answers, as far as any worker knows.", self._is_up("kafka"))
        yield _gauge(
            "etld_database_up", "1 when PostgreSQL answers, as far as any worker knows.", self._is_up("postgres")
        )
        free = GaugeMetricFamily("etld_disk_free_bytes", "Free for etld where it writes.", labels=["path"])
        for path, size in facts.free.items():
            free.add_metric([path], size)
        yield free

    def _of_workers(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(
            "etld_worker_up", "1 when the worker is ready and gives signs of life, else 0.", labels=["worker"]
        )
        restarts = CounterMetricFamily(
            "etld_worker_restarts",
            "Processes of a worker that ended unasked: crashed, hung, or killed; not those that were replaced.",
            labels=["worker"],
        )
        memory = GaugeMetricFamily("etld_worker_memory_bytes", "Resident memory of a worker.", labels=["worker"])
        for slot in self._slots:
            up.add_metric([slot.name], float(self._answers(slot)))
            restarts.add_metric([slot.name], slot.crashes)
            if slot.name in self._facts.memory:
                memory.add_metric([slot.name], self._facts.memory[slot.name])
        faults = GaugeMetricFamily(
            "etld_fault",
            "1 while a worker reports this fault, such as postgres, kafka, disk or breaker.",
            labels=["worker", "fault"],
        )
        for worker, named in self._facts.faults.items():
            for fault in named:
                faults.add_metric([worker, fault], 1)
        yield from (up, restarts, memory, faults)

    def _counted(self) -> Iterator[Metric]:
        """What workers count, and what they read in the database (declared_metrics.py)."""
        families: dict[str, Metric] = {}

        def family(name: str, kind: str) -> Metric:
            if name not in families:
                families[name] = Metric(f"etld_{name}", help_of(name), kind)
            return families[name]

        for name, source, value in self._store.database_counters():
            family(name, "counter").add_sample(f"etld_{name}_total", _place(source), value)
        for series, value in self._store.counters():
            family(series[1], "counter").add_sample(f"etld_{series[1]}_total", _labels(series), value)
        for series, gauge in self._store.gauges():
            family(series[1], "gauge").add_sample(f"etld_{series[1]}", _labels(series), gauge)
        for worker, source, events in self._store.lags():
            place = {"worker": worker, **_place(source)}
            family("consumer_lag", "gauge").add_sample("etld_consumer_lag", place, events)
        for series, (buckets, total) in self._store.histograms():
            _add_histogram(family(series[1], "histogram"), _labels(series), buckets, total)
        yield from families.values()

    def _answers(self, slot: WorkerSlot) -> bool:
        return slot.settled and slot.name not in self._facts.silent

    def _is_up(self, server: str) -> bool:
        """No worker misses this server, and if it is one of ours, its worker runs."""
        ours = (slot for slot in self._slots if slot.name == f"embedded-{server}")
        return all(map(self._answers, ours)) and not any(server in named for named in self._facts.faults.values())


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=float(value))


def _add_histogram(family: Metric, labels: dict[str, str], buckets: Iterable[int], total: float) -> None:
    """Buckets come one by one, and go cumulated."""
    running = 0
    for bound, count in zip((*bounds(family.name.removeprefix("etld_")), float("inf")), buckets, strict=False):
        running += count
        le = "+Inf" if bound == float("inf") else f"{bound:g}"
        family.add_sample(f"{family.name}_bucket", {**labels, "le": le}, running)
    family.add_sample(f"{family.name}_sum", labels, total)
    family.add_sample(f"{family.name}_count", labels, running)


def _labels(series: Series) -> dict[str, str]:
    worker, _, labels = series
    return {"worker": worker, **dict(labels)}


def _place(source: str) -> dict[str, str]:
    topic, _, partition = source.rpartition(":")
    return {"topic": topic, "partition": partition} if topic else {}
