"""The daemon's state for people and programs (DESIGN section 7)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from etld import __version__
from etld.supervisor.observe import prometheus
from etld.supervisor.slots import policy
from etld.supervisor.slots.machine import Slot, State

if TYPE_CHECKING:
    from etld.supervisor.supervisor import Supervisor

#: The faults of an ingest worker with which it refuses events; with others it serves.
_SHUTS = frozenset({"kafka", "silent"})


def faults(daemon: Supervisor) -> dict[str, dict[str, str]]:
    """Worker to (name to message): what workers report, and what the supervisor sees."""
    found = daemon.tree.ledger.faults()
    for name, seconds in policy.silent(daemon.tree.slots.values(), time.monotonic()).items():
        found.setdefault(name, {})["silent"] = f"not a word for {seconds:.0f} s"
    for slot in daemon.tree.slots.values():
        if slot.stands_in:
            found.setdefault(slot.name, {})["successor"] = f"none came up, so it serves on: {slot.last_error}"
    if not daemon.operations.current:
        for name, version in daemon.tree.outdated().items():
            found.setdefault(name, {})["version"] = f"runs etld {version} of before the restart: `etld restart {name}`"
    if daemon.disk.wrong is not None:
        found["supervisor"] = {"disk": daemon.disk.wrong}
    return found


def state(daemon: Supervisor) -> str:
    """starting, ready, degraded or stopping."""
    return policy.state(
        list(daemon.tree.slots.values()),
        stopping=daemon.stopping,
        was_started=daemon.was_started,
        faults=faults(daemon),
    )


def status(daemon: Supervisor) -> dict[str, Any]:
    """Everything that `etld status` shows."""
    tree, now = daemon.tree, time.monotonic()
    shown = [slot for slot in tree.slots.values() if not (slot.one_shot and slot.state is State.DONE)]
    return {
        "state": state(daemon),
        "pid": daemon.pid,
        "uptime_s": round(now - daemon.began, 1),
        "version": __version__,
        "config": str(daemon.config.source),
        "addresses": daemon.addresses.as_dict(),
        "workers": [_worker(daemon, slot, now) for slot in sorted(shown, key=lambda s: (s.rank, s.name))],
        "totals": tree.ledger.totals(),
        "faults": policy.problems(tree.slots.values(), faults(daemon)),
        "operation": daemon.operations.current or ("restart" if daemon.reexec else None),
        "last_operation": daemon.operations.last,
    }


def _worker(daemon: Supervisor, slot: Slot, now: float) -> dict[str, Any]:
    account = daemon.tree.ledger.account(slot.pid)
    process = daemon.tree.processes.get(slot.pid or 0)
    return {
        "name": slot.name,
        "kind": slot.kind,
        "state": policy.shown_state(slot),
        "pid": slot.pid,
        "version": process.version if process else None,
        "uptime_s": round(now - slot.spawned, 1) if slot.alive else 0.0,
        "restarts": slot.restarts,
        "last_error": slot.last_error or None,
        "rate": round(account.rate(now), 1) if account else 0.0,
        "lag": sum(account.lags.values()) if account and account.lags else None if not account else 0,
        "memory_mb": round(daemon.tree.memory.get(slot.name, 0) / 2**20, 1),
        "progress": daemon.tree.progress.get(slot.name),
    }


def health(daemon: Supervisor) -> dict[str, Any]:
    """`healthy`: all is well; `ready`: events are accepted; `live`: this answer."""
    slots = daemon.tree.slots.values()
    wrong = faults(daemon)
    shut = {name for name, named in wrong.items() if not _SHUTS.isdisjoint(named)}
    doors = [slot for slot in slots if daemon.kinds[slot.kind].listens and slot.wanted]
    is_open = any(s.state is State.RUNNING and not s.paused and s.name not in shut for s in doors)
    no_doors = not any(kind.listens for kind in daemon.kinds.values())
    now = state(daemon)
    problems = policy.problems(slots, wrong)
    if not (is_open or no_doors or problems or daemon.stopping):
        problems.append("no ingest worker accepts events: they are paused" if doors else "ingest has no worker")
    return {
        "healthy": now == "ready",
        "ready": daemon.was_started and not daemon.stopping and (is_open or no_doors),
        "live": True,
        "state": now,
        "problems": problems,
    }


def public(daemon: Supervisor) -> dict[str, Any]:
    """The state for those who may ask at the HTTP port: which part and which fault, not the details."""
    slots = daemon.tree.slots.values()
    wrong = [f"{slot.name}: {policy.shown_state(slot)}" for slot in slots if slot.wanted and not slot.settled]
    wrong += [f"{worker}: {name}" for worker, named in faults(daemon).items() for name in named]
    return {"state": state(daemon), "problems": wrong}


def metrics(daemon: Supervisor) -> str:
    """Prometheus text."""
    tree = daemon.tree
    return prometheus.render(
        tree.ledger,
        [slot for slot in tree.slots.values() if not slot.one_shot],
        prometheus.Facts(
            version=__version__,
            ready=state(daemon) == "ready",
            uptime=time.monotonic() - daemon.began,
            faults=faults(daemon),
            memory=tree.memory,
            free=daemon.disk.free,
            silent=frozenset(policy.silent(tree.slots.values(), time.monotonic())),
        ),
    )


def line(daemon: Supervisor) -> str:
    """One line for the service manager."""
    everyone = [slot for slot in daemon.tree.slots.values() if not slot.one_shot]
    up = sum(slot.settled for slot in everyone)
    wrong = policy.problems(daemon.tree.slots.values(), faults(daemon))
    if not daemon.was_started:
        progress = daemon.tree.progress.items()
        wrong = [*(f"{name}: {text}" for name, text in progress), *wrong]
        wrong.sort(key=lambda text: ": " not in text)  # a reason says more than "is starting"
    return f"{state(daemon)}: {up} of {len(everyone)} workers run" + (f"; {wrong[0]}" if wrong else "")
