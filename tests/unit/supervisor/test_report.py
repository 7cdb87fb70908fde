"""Status, health and the line for the service manager, of a daemon that is put together here."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from etld.config import Config, parse
from etld.supervisor.kinds import KINDS
from etld.supervisor.lifecycle import Lifecycle
from etld.supervisor.observe.disk import Disk
from etld.supervisor.observe.metrics_store import MetricsStore
from etld.supervisor.observe.report import DaemonReport
from etld.supervisor.slots.machine import SlotState
from etld.supervisor.slots.table import SlotTable
from etld.worker import Addresses, SlotSpec

SOURCE = Path(__file__).parents[3] / "config" / "etld.toml"


def config(*roles: str) -> Config:
    """The one that ships, for a host of these roles."""
    return parse(re.sub(r"(?m)^run = .*$", f"run = {json.dumps(roles)}", SOURCE.read_text()), SOURCE, {})


@dataclass
class Process:
    version: str = "9"
    memory: int = 3 << 20
    progress: str | None = None


@dataclass
class Workers:
    """Two slots, a processor's and ingest's, both running."""

    slots: SlotTable = field(default_factory=lambda: SlotTable(KINDS))
    metrics: MetricsStore = field(default_factory=MetricsStore)
    children: Any = field(default_factory=dict)
    old: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for pid, (name, kind) in enumerate((("processor-order-0", "processor"), ("ingest-0", "ingest")), 1):
            self.slots.add(SlotSpec(name, kind))
            self.change(name, state=SlotState.RUNNING, pid=pid, heard=1e18)
            self.children[pid] = Process()
            self.metrics.open(pid, name, kind)

    def change(self, name: str, **values: Any) -> None:
        self.slots.put(replace(self.slots[name], **values))

    def outdated(self) -> dict[str, str]:
        return self.old


@pytest.fixture
def workers() -> Workers:
    return Workers()


@pytest.fixture
def report(workers: Workers) -> DaemonReport:
    active: Any = SimpleNamespace(
        config=config("processor", "ingest"), addresses=Addresses("h", "k", "p", "embedded", "c")
    )
    operations: Any = SimpleNamespace(current=None, last=None)
    return DaemonReport(Lifecycle(was_started=True), workers, active, operations, Disk())


def test_a_daemon_that_is_well(report: DaemonReport) -> None:
    assert (report.state(), report.faults()) == ("ready", {})
    well = {"healthy": True, "ready": True, "live": True, "state": "ready", "problems": [], "explain": [], "faults": {}}
    assert report.health() == well
    assert report.line() == "ready: 2 of 2 workers run"
    status = report.status()
    assert [(w["name"], w["version"], w["memory_mb"]) for w in status["workers"]] == [
        ("processor-order-0", "9", 3.0),
        ("ingest-0", "9", 3.0),
    ]
    assert (status["operation"], status["faults"]) == (None, [])


def test_a_lag_is_what_the_worker_says_and_never_a_guess(report: DaemonReport, workers: Workers) -> None:
    """Unknown before it says so, and when it has long said nothing; between two lives what the last one left."""

    def lag() -> int | None:
        (found,) = [one["lag"] for one in report.status()["workers"] if one["name"] == "processor-order-0"]
        return found

    store, now = workers.metrics, time.monotonic()
    assert lag() is None
    store.beat(1, {"events": 1}, now)
    assert lag() is None
    store.beat(1, {"lags": {"t:0": 5, "t:1": 2}}, now)
    assert lag() == 7
    store.beat(1, {"lags": {"t:0": 0, "t:1": 0}}, now - 11)
    assert lag() is None
    store.beat(1, {"lags": {"t:0": 5, "t:1": 2}}, now)
    store.close(1)
    workers.change("processor-order-0", pid=None, state=SlotState.BACKOFF)
    assert lag() == 7
    store.open(3, "processor-order-0", "processor")
    workers.change("processor-order-0", pid=3, state=SlotState.RUNNING)
    store.beat(3, {"events": 0}, now)
    assert lag() == 7
    store.beat(3, {"lags": {"t:0": 4}}, now)
    assert lag() == 4
    store.beat(3, {"lags": {"t:0": None}}, now)
    assert lag() == 0


def test_events_are_accepted_or_not_whatever_else_is_wrong(report: DaemonReport, workers: Workers) -> None:
    """By the state and the faults of ingest alone."""
    workers.change("processor-order-0", state=SlotState.FATAL, last_error="no topic")
    health = report.health()
    assert (health["healthy"], health["ready"]) == (False, True)
    assert health["problems"] == ["processor-order-0 is fatal: no topic"]
    assert health["explain"] == ["ETLD-W004"]
    workers.metrics.beat(2, {"faults": {"kafka": "away"}}, 1.0)
    assert report.health()["ready"] is False
    workers.metrics.beat(2, {"faults": {"kafka": None}}, 1.0)
    workers.change("ingest-0", paused=True, rests=True)
    assert report.health()["ready"] is False


def test_paused_ingest_is_a_problem_only_of_readiness(report: DaemonReport, workers: Workers) -> None:
    workers.change("ingest-0", paused=True, rests=True)
    health = report.health()
    assert (health["healthy"], health["problems"]) == (True, ["no ingest worker accepts events: they are paused"])


def test_faults_that_the_supervisor_sees(report: DaemonReport, workers: Workers) -> None:
    workers.change("processor-order-0", heard=0.0)
    workers.change("ingest-0", stands_in=True, last_error="no way to Kafka")
    workers.old = {"processor-order-0": "8"}
    report.disk.wrong = "/x is read-only"
    faults = report.faults()
    assert faults["processor-order-0"]["silent"].startswith("no message for ")
    assert faults["processor-order-0"]["version"].startswith("runs etld 8 of before the restart")
    assert faults["ingest-0"] == {"successor": "none came up, so it serves on: no way to Kafka"}
    assert faults["supervisor"] == {"disk": "/x is read-only"}
    assert "read-only" not in str(report.public()), "details go to the owner only"


def test_what_a_slow_start_does_comes_first(report: DaemonReport, workers: Workers) -> None:
    report.lifecycle.was_started = False
    workers.change("ingest-0", state=SlotState.STARTING)
    workers.children[2].progress = "waits for Kafka"
    assert report.line() == "starting: 1 of 2 workers run; ingest-0: waits for Kafka"


def test_a_host_without_ingest_is_ready(report: DaemonReport, workers: Workers) -> None:
    """Others take the events; one that is to take them, and has no worker for it, is not."""
    workers.slots.remove("ingest-0")
    assert report.health()["problems"] == ["ingest has no worker"]
    assert report.health()["explain"] == ["ETLD-S026"]
    active: Any = SimpleNamespace(config=config("processor"), addresses=report.active.addresses)
    elsewhere = replace(report, active=active)
    health = elsewhere.health()
    assert (health["ready"], health["problems"]) == (True, [])
    assert elsewhere.status()["roles"] == ["processor"]
