"""The daemon's state for people and programs: status, health, metrics (their JSON is a contract with users)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from etld import __version__
from etld.supervisor.slots import policy
from etld.supervisor.slots.machine import SlotState, WorkerSlot

if TYPE_CHECKING:
    from etld.config import Config
    from etld.supervisor.lifecycle import Lifecycle
    from etld.supervisor.observe.disk import Disk
    from etld.supervisor.observe.metrics_store import MetricsStore
    from etld.supervisor.slots.table import SlotTable
    from etld.worker import Addresses

#: The faults of an ingest worker with which it refuses events; with others it serves.
_REFUSING = frozenset({"kafka", "silent"})
_NONE_ACCEPTS = "ETLD-S026"


class WorkerProcess(Protocol):
    """What is shown of a worker's process. `memory` is bytes."""

    version: str
    memory: int
    progress: str | None


class WorkerProcesses(Protocol):
    """The live processes by pid."""

    def get(self, pid: int | None) -> WorkerProcess | None:
        """None when there is no such process."""


class Workers(Protocol):
    """The slots and their processes."""

    slots: SlotTable
    metrics: MetricsStore

    @property
    def children(self) -> WorkerProcesses:
        """The processes in the slots, and those before them."""

    def outdated(self) -> Mapping[str, str]:
        """Versions by name, of the workers that another version has started."""


class InForce(Protocol):
    """The configuration that the daemon goes by."""

    config: Config
    addresses: Addresses


class Progress(Protocol):
    """The operation under way, and how the last one ended."""

    current: str | None
    last: dict[str, str | None] | None


@dataclass(frozen=True, slots=True)
class DaemonReport:
    """Reads the daemon, changes nothing."""

    lifecycle: Lifecycle
    workers: Workers
    active: InForce
    operations: Progress
    disk: Disk

    def faults(self) -> dict[str, dict[str, str]]:
        """Worker to (name to message): what workers report, and what the supervisor sees."""
        found = self.workers.metrics.faults()
        for name, seconds in policy.silent(self.workers.slots, time.monotonic()).items():
            found.setdefault(name, {})["silent"] = f"no message for {seconds:.0f} s"
        for slot in self.workers.slots:
            if slot.stands_in:
                found.setdefault(slot.name, {})["successor"] = f"none came up, so it serves on: {slot.last_error}"
        if not self.operations.current:
            for name, version in self.workers.outdated().items():
                text = f"runs etld {version} of before the restart: `etld restart {name}`"
                found.setdefault(name, {})["version"] = text
        if self.disk.wrong is not None:
            found["supervisor"] = {"disk": self.disk.wrong}
        return found

    def state(self) -> str:
        """starting, ready, degraded or stopping."""
        return policy.state(
            list(self.workers.slots),
            stopping=self.lifecycle.stopping,
            was_started=self.lifecycle.was_started,
            faults=self.faults(),
        )

    def status(self) -> dict[str, Any]:
        """Everything that `etld status` shows."""
        now = time.monotonic()
        slots = self.workers.slots
        wrong = policy.explained(slots, self.faults())
        shown = [slot for slot in slots if not (slot.one_shot and slot.state is SlotState.DONE)]
        return {
            "state": self.state(),
            "pid": self.lifecycle.pid,
            "uptime_s": round(now - self.lifecycle.began, 1),
            "version": __version__,
            "config": str(self.active.config.source),
            "node_id": self.active.config.node_id,
            "roles": list(self.active.config.roles.run),
            "addresses": self.active.addresses.as_dict(),
            "workers": [self._worker(slot, now) for slot in sorted(shown, key=lambda s: (s.rank, s.name))],
            "totals": self.workers.metrics.totals(),
            "faults": [line for line, _ in wrong],
            "explain": [code for _, code in wrong],
            "operation": self.operations.current or ("restart" if self.lifecycle.upgrading else None),
            "last_operation": self.operations.last,
        }

    def for_hosts(self) -> dict[str, Any]:
        """What other hosts are told of this one: what changes often is left to whoever asks it itself."""
        status = self.status()
        shown = ("name", "kind", "state", "lag", "last_error")
        workers = [{name: one[name] for name in shown} for one in status["workers"]]
        return {"state": status["state"], "workers": workers, "faults": status["faults"]}

    def _worker(self, slot: WorkerSlot, now: float) -> dict[str, Any]:
        account = self.workers.metrics.account(slot.pid)
        process = self.workers.children.get(slot.pid)
        lag = self.workers.metrics.lag(slot.name, slot.pid, now)
        return {
            "name": slot.name,
            "kind": slot.kind,
            "state": policy.shown_state(slot),
            "pid": slot.pid,
            "version": process.version if process else None,
            "uptime_s": round(now - slot.spawned, 1) if slot.alive else 0.0,
            "restarts": slot.restarts,
            "last_error": slot.last_error or None,
            "explain": policy.code_of_slot(slot) or None,
            "rate": round(account.rate(now), 1) if account else 0.0,
            "lag": lag,
            "lag_s": None if lag is None else self.workers.metrics.lag_seconds(slot.pid),
            "memory_mb": round(process.memory / 2**20, 1) if process else 0.0,
            "progress": process.progress if process else None,
        }

    def health(self) -> dict[str, Any]:
        """`healthy`: all is well; `ready`: events are accepted; `live`: this answer."""
        slots = self.workers.slots
        faults = self.faults()
        refusing = {name for name, named in faults.items() if not _REFUSING.isdisjoint(named)}
        listening = [slot for slot in slots.listening() if slot.wanted]
        accepts = any(s.state is SlotState.RUNNING and not s.paused and s.name not in refusing for s in listening)
        runs = self.active.config.runs
        nothing_listens = not any(kind.listens and runs(kind.name) for kind in slots.kinds.values())
        state = self.state()
        wrong = policy.explained(slots, faults)
        if not (accepts or nothing_listens or wrong or self.lifecycle.stopping):
            why = "no ingest worker accepts events: they are paused" if listening else "ingest has no worker"
            wrong.append((why, _NONE_ACCEPTS))
        up = self.lifecycle.was_started and not self.lifecycle.stopping
        return {
            "healthy": state == "ready",
            "ready": up and (accepts or nothing_listens),
            "live": True,
            "state": state,
            "problems": [line for line, _ in wrong],
            "explain": [code for _, code in wrong],
            "faults": faults,
        }

    def public(self) -> dict[str, Any]:
        """The state for those who may ask at the HTTP port: which part and which fault, not the details."""
        wanted = self.workers.slots.wanted()
        wrong = [f"{slot.name}: {policy.shown_state(slot)}" for slot in wanted if not slot.settled]
        wrong += [f"{worker}: {name}" for worker, named in self.faults().items() for name in named]
        return {"state": self.state(), "problems": wrong}

    def metrics(self) -> str:
        """The Prometheus exposition."""
        from etld.supervisor.observe import prometheus  # its library is large, and not everybody scrapes

        slots = self.workers.slots
        memory = {slot.name: p.memory for slot in slots if (p := self.workers.children.get(slot.pid)) and p.memory}
        facts = prometheus.Facts(
            version=__version__,
            ready=self.state() == "ready",
            uptime=time.monotonic() - self.lifecycle.began,
            faults=self.faults(),
            memory=memory,
            free=self.disk.free,
            silent=frozenset(policy.silent(slots, time.monotonic())),
        )
        return prometheus.render(self.workers.metrics, [slot for slot in slots if not slot.one_shot], facts)

    def line(self) -> str:
        """One line for the service manager."""
        slots = self.workers.slots
        workers = [slot for slot in slots if not slot.one_shot]
        up = sum(slot.settled for slot in workers)
        wrong = policy.problems(slots, self.faults())
        if not self.lifecycle.was_started:
            wrong = [*(f"{name}: {text}" for name, text in self.progress().items()), *wrong]
            wrong.sort(key=lambda text: ": " not in text)  # a reason says more than "is starting"
        return f"{self.state()}: {up} of {len(workers)} workers run" + (f"; {wrong[0]}" if wrong else "")

    def progress(self) -> dict[str, str]:
        """What slow starts are doing, by worker."""
        processes = {slot.name: self.workers.children.get(slot.pid) for slot in self.workers.slots}
        return {name: p.progress for name, p in processes.items() if p is not None and p.progress}
