"""The daemon's numbers in Prometheus's text format (exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.worker.metrics import bounds

if TYPE_CHECKING:
    from etld.supervisor.observe.metrics_store import MetricsStore
    from etld.supervisor.slots.machine import WorkerSlot

Pairs = Sequence[tuple[str, str]]
Sample = tuple[str, Pairs, float]

HELP = {
    "etld_build_info": "Always 1; the version is a label.",
    "etld_ready": "1 when every worker runs and none reports a fault.",
    "etld_uptime_seconds": "Since the daemon started.",
    "etld_broker_up": "1 when Kafka answers, as far as any worker knows.",
    "etld_database_up": "1 when PostgreSQL answers, as far as any worker knows.",
    "etld_disk_free_bytes": "Free for etld where it writes.",
    "etld_worker_up": "1 when the worker is ready and gives signs of life, else 0.",
    "etld_worker_restarts_total": "Processes of a worker that ended unasked: crashed, hung, or killed; not those that were replaced.",
    "etld_worker_memory_bytes": "Resident memory of a worker.",
    "etld_fault": "1 while a worker reports this fault, such as postgres, kafka, disk or breaker.",
    "etld_accepted_total": "Events accepted over HTTP, dead letters among them.",
    "etld_rejected_total": "Events refused over HTTP as the client's mistake.",
    "etld_dead_lettered_total": "Events accepted over HTTP into the dead letter queue.",
    "etld_sampled_total": "Events accepted over HTTP that the sampling left out.",
    "etld_unavailable_total": "Requests and events answered 503.",
    "etld_limited_total": "Requests answered 429.",
    "etld_http_requests_total": "Requests over HTTP.",
    "etld_key_events_total": "Events by write key and result; a request refused as a whole (400, 413, 429) counts as one.",
    "etld_stored_total": "Events stored in processed_events, since the database was made.",
    "etld_duplicate_total": "Events that were stored already, since the database was made.",
    "etld_filtered_total": "Events that a transform left out, since the database was made.",
    "etld_dead_total": "Dead letters of ingest and of the processors, since the daemon started.",
    "etld_repaired_total": "Dead letters repaired, sent back and stored, since the daemon started.",
    "etld_parked_total": "Dead letters parked because no rule repairs them, since the daemon started.",
    "etld_dead_letters": "Dead letters by their state now.",
    "etld_dead_letters_received_total": "Records read from the dead letter queue.",
    "etld_charts_drawn_total": "Pictures of summaries.",
    "etld_connections": "Open HTTP connections.",
    "etld_queue_depth": "What waits in ingest: requests for their answer, records for Kafka's acknowledgement.",
    "etld_consumer_lag": "Records of a partition not yet processed.",
    "etld_end_to_end_seconds": "From an event's acceptance to its commit in PostgreSQL.",
    "etld_batch_records": "Records in a batch.",
    "etld_batch_duration_seconds": "Time to write a batch.",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the ledger does not know. `free`: bytes by path; `memory`: bytes by worker; `silent`: names of workers."""

    version: str
    ready: bool
    uptime: float
    faults: Mapping[str, Mapping[str, str]]
    memory: Mapping[str, int]
    free: Mapping[str, int]
    silent: frozenset[str] = frozenset()


def render(ledger: MetricsStore, slots: Iterable[WorkerSlot], facts: Facts) -> str:
    """Everything, one family after the other."""
    families: dict[str, tuple[str, list[Sample]]] = {}

    def add(name: str, kind: str, labels: Pairs, value: float, suffix: str = "") -> None:
        families.setdefault(name, (kind, []))[1].append((name + suffix, labels, value))

    everyone = list(slots)
    add("etld_build_info", "gauge", (("version", facts.version),), 1)
    add("etld_ready", "gauge", (), float(facts.ready))
    add("etld_uptime_seconds", "gauge", (), round(facts.uptime, 3))
    for part, fault in (("broker", "kafka"), ("database", "postgres")):
        add(f"etld_{part}_up", "gauge", (), float(_up(fault, everyone, facts)))
    for path, free in facts.free.items():
        add("etld_disk_free_bytes", "gauge", (("path", path),), free)
    for slot in everyone:
        who: Pairs = (("worker", slot.name),)
        add("etld_worker_up", "gauge", who, float(slot.settled and slot.name not in facts.silent))
        add("etld_worker_restarts_total", "counter", who, slot.crashes)
        if slot.name in facts.memory:
            add("etld_worker_memory_bytes", "gauge", who, facts.memory[slot.name])
    for worker, faults in facts.faults.items():
        for fault in faults:
            add("etld_fault", "gauge", (("worker", worker), ("fault", fault)), 1)
    for name, source, value in ledger.database_counters():
        add(f"etld_{name}_total", "counter", _place(source), value)
    for (worker, name, labels), value in ledger.counters():
        add(f"etld_{name}_total", "counter", (("worker", worker), *labels), value)
    for (worker, name, labels), gauge in ledger.gauges():
        add(f"etld_{name}", "gauge", (("worker", worker), *labels), gauge)
    for worker, source, events in ledger.lags():
        add("etld_consumer_lag", "gauge", (("worker", worker), *_place(source)), events)
    for (worker, name, labels), (buckets, total) in ledger.histograms():
        whose: Pairs = (("worker", worker), *labels)
        running = 0
        for bound, count in zip((*bounds(name), float("inf")), buckets, strict=False):
            running += count
            le = "+Inf" if bound == float("inf") else f"{bound:g}"
            add(f"etld_{name}", "histogram", (*whose, ("le", le)), running, "_bucket")
        add(f"etld_{name}", "histogram", whose, total, "_sum")
        add(f"etld_{name}", "histogram", whose, running, "_count")
    lines = []
    for name, (kind, samples) in families.items():
        lines.append(f"# HELP {name} {HELP.get(name, 'Counted by a worker.')}")
        lines.append(f"# TYPE {name} {kind}")
        lines += [f"{sample}{_braces(labels)} {value:.17g}" for sample, labels, value in samples]
    return "\n".join(lines) + "\n"


def _up(fault: str, slots: Iterable[WorkerSlot], facts: Facts) -> bool:
    """No worker misses this server, and if it is one of ours, its worker runs."""
    ours = (slot for slot in slots if slot.name == f"embedded-{fault}")
    return all(slot.settled and slot.name not in facts.silent for slot in ours) and not any(
        fault in named for named in facts.faults.values()
    )


def _place(source: str) -> Pairs:
    topic, _, partition = source.rpartition(":")
    return (("topic", topic), ("partition", partition)) if topic else ()


def _braces(labels: Pairs) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
