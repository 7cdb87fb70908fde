"""The daemon's numbers in Prometheus's text format (exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from etld.worker.metrics import bounds

if TYPE_CHECKING:
    from etld.supervisor.ledger import Ledger
    from etld.supervisor.slots import Slot

Pairs = Sequence[tuple[str, str]]
Sample = tuple[str, Pairs, float]

HELP = {
    "etld_accepted_total": "Events accepted over HTTP.",
    "etld_rejected_total": "Events refused over HTTP.",
    "etld_stored_total": "Events stored in processed_events.",
    "etld_duplicate_total": "Events that were stored already.",
    "etld_dead_total": "Dead letters, of ingest and of the processors.",
    "etld_repaired_total": "Dead letters repaired and sent back.",
    "etld_parked_total": "Dead letters that no rule repairs.",
    "etld_consumer_lag": "Records of a partition not yet processed.",
    "etld_end_to_end_seconds": "From accepted to committed.",
    "etld_batch_records": "Records in a batch.",
    "etld_batch_duration_seconds": "Time to write a batch.",
    "etld_worker_restarts_total": "Processes that a worker needed beyond its first.",
    "etld_worker_up": "1 when the worker is ready, else 0.",
    "etld_worker_memory_bytes": "Resident memory of a worker.",
    "etld_fault": "1 while a worker reports this fault (postgres, kafka, disk, breaker).",
    "etld_ready": "1 when every worker runs and none reports a fault.",
    "etld_uptime_seconds": "Since the daemon started.",
}


def render(ledger: Ledger, slots: Iterable[Slot], *, state: str, uptime: float, memory: dict[str, int]) -> str:
    """Everything, one family after the other."""
    families: dict[str, tuple[str, list[Sample]]] = {}

    def add(name: str, kind: str, labels: Pairs, value: float, suffix: str = "") -> None:
        families.setdefault(name, (kind, []))[1].append((name + suffix, labels, value))

    add("etld_ready", "gauge", (), float(state == "ready"))
    add("etld_uptime_seconds", "gauge", (), round(uptime, 3))
    for slot in slots:
        who: Pairs = (("worker", slot.name),)
        add("etld_worker_up", "gauge", who, float(slot.settled))
        add("etld_worker_restarts_total", "counter", who, slot.restarts)
        if slot.name in memory:
            add("etld_worker_memory_bytes", "gauge", who, memory[slot.name])
    for worker, faults in ledger.faults().items():
        for fault in faults:
            add("etld_fault", "gauge", (("worker", worker), ("fault", fault)), 1)
    for name, value in ledger.totals().items():
        if name not in ("accepted", "rejected"):
            add(f"etld_{name}_total", "counter", (), value)
    for (worker, name, labels), value in ledger.counters():
        add(f"etld_{name}_total", "counter", (("worker", worker), *labels), value)
    for (worker, name, labels), gauge in ledger.gauges():
        add(f"etld_{name}", "gauge", (("worker", worker), *labels), gauge)
    for worker, source, events in ledger.lags():
        topic, _, partition = source.rpartition(":")
        place = (("worker", worker), ("topic", topic), ("partition", partition))
        add("etld_consumer_lag", "gauge", place, events)
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
        if name in HELP:
            lines.append(f"# HELP {name} {HELP[name]}")
        lines.append(f"# TYPE {name} {kind}")
        lines += [f"{sample}{_braces(labels)} {value:.17g}" for sample, labels, value in samples]
    return "\n".join(lines) + "\n"


def _braces(labels: Pairs) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
