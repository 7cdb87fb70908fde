"""The exposition: valid, whole, and with a help for everything that is counted."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from etld.supervisor.observe import prometheus
from etld.supervisor.observe.metrics_store import MetricsStore
from etld.supervisor.slots.machine import SlotState, WorkerSlot
from etld.worker.declared_metrics import DECLARED
from etld.worker.metrics import Metrics, key
from support.exposition import parse
from support.source_checks import modules


def test_prometheus_text() -> None:
    """Cumulative buckets, escaped labels, one TYPE a family."""
    store, metrics = MetricsStore(), Metrics()
    store.open(1, "p-0", "processor")
    metrics.count(key("accepted", {"why": 'a"b\\c\nd'}), 2)
    metrics.observe(key("wait_seconds", {}), 0.003, 1)
    metrics.observe(key("wait_seconds", {}), 99.0, 1)
    metrics.lag("event_x:3", 12)
    store.beat(1, json.loads(json.dumps({**metrics.changes(), "totals": {"t:0": {"stored": 3}}})), 1.0)
    slot = WorkerSlot("p-0", "processor", state=SlotState.RUNNING, restarts=3, crashes=2)
    facts = prometheus.Facts(
        version="1", ready=True, uptime=5, faults={"p-0": {"kafka": "gone"}}, memory={"p-0": 1024}, free={"/x": 7}
    )
    text = prometheus.render(store, [slot], facts)
    lines = text.splitlines()
    assert 'etld_accepted_total{why="a\\"b\\\\c\\nd",worker="p-0"} 2.0' in lines
    assert 'etld_wait_seconds_bucket{le="0.0025",worker="p-0"} 0.0' in lines
    assert 'etld_wait_seconds_bucket{le="0.005",worker="p-0"} 1.0' in lines
    assert 'etld_wait_seconds_bucket{le="+Inf",worker="p-0"} 2.0' in lines
    assert 'etld_wait_seconds_count{worker="p-0"} 2.0' in lines
    assert 'etld_consumer_lag{partition="3",topic="event_x",worker="p-0"} 12.0' in lines
    assert 'etld_worker_restarts_total{worker="p-0"} 2.0' in lines
    assert 'etld_stored_total{partition="0",topic="t"} 3.0' in lines
    assert 'etld_disk_free_bytes{path="/x"} 7.0' in lines
    assert [line for line in lines if line.startswith(("etld_broker_up", "etld_database_up"))] == [
        "etld_broker_up 0.0",
        "etld_database_up 1.0",
    ]
    assert "etld_ready 1.0" in lines
    kinds = [line for line in lines if line.startswith("# TYPE")]
    assert len(kinds) == len(set(kinds))
    assert parse(text).families["etld_wait_seconds"].kind == "histogram"


def _counted() -> list[tuple[str, str, str]]:
    """(where, the method, the name) of every call of a worker that counts by a name in the source."""
    kinds = {"count": "counter", "gauge": "gauge", "observe": "histogram"}
    counting = re.compile(rf"worker\.({'|'.join(kinds)})\(")  # to read all of the source takes a second
    found = []
    texts = {path: text for path, text in modules().items() if counting.search(text)}
    for path, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in kinds:
                owner = ast.unparse(node.func.value)
                if owner.endswith("worker") and isinstance(node.args[0], ast.Constant):
                    found.append((Path(path).name, kinds[node.func.attr], str(node.args[0].value)))
    return found


@pytest.mark.parametrize(("where", "kind", "name"), _counted())
def test_what_is_counted_is_declared(where: str, kind: str, name: str) -> None:
    """With its kind and a help."""
    assert DECLARED[name].kind == kind, where


def test_declared_metrics_keep_the_conventions() -> None:
    """Sentences as help, buckets for histograms only, and rising."""
    for metric in DECLARED.values():
        assert metric.help.endswith("."), metric.name
        assert bool(metric.buckets) == (metric.kind == "histogram"), metric.name
        assert list(metric.buckets) == sorted(metric.buckets), metric.name
