"""What one program hands to the next in the same process, as JSON in memory; either may be the newer one.

A field that the next program does not know is dropped, one that it misses has its default. What cannot be
understood so is refused by the check, before anything is handed over; a change of meaning is a new FORMAT.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from etld.config import paths
from etld.errors import EtldError
from etld.supervisor.kinds import Kinds, load_object
from etld.supervisor.network import addresses
from etld.supervisor.observe.metrics_store import MetricsStore
from etld.supervisor.slots.machine import SlotState, WorkerSlot
from etld.worker import SlotSpec

if TYPE_CHECKING:
    from pathlib import Path

    from etld.config import Config
    from etld.supervisor.lifecycle import Lifecycle
    from etld.supervisor.processes.tree import ProcessTree
    from etld.supervisor.reload.active_config import ActiveConfig
    from etld.supervisor.runtime import Runtime

FORMAT = 1
T = TypeVar("T")


class NotUnderstood(EtldError):
    """The state of the running daemon cannot be taken over."""

    code = "ETLD-S022"

    def __init__(self, why: str) -> None:
        super().__init__(f"the running daemon cannot be taken over ({why}): `etld stop`, then `etld start`")


@dataclasses.dataclass(frozen=True, slots=True)
class Child:
    """A live process; `channel` is a descriptor, `received` and `unsent` are what it holds."""

    name: str
    kind: str
    pid: int
    began: float
    channel: int
    received: str = ""
    unsent: str = ""
    version: str = "?"


@dataclasses.dataclass(frozen=True, slots=True)
class Handed:
    """Everything, understood; descriptors are those of the process that both programs are."""

    config: str
    kinds: str
    log_file: str | None
    began: float
    pidfile: tuple[str, int]
    ports: dict[str, int]
    control: int
    listeners: tuple[str, int, list[tuple[int, int]]]
    slots: list[WorkerSlot]
    specs: list[SlotSpec]
    processes: list[Child]
    metrics: MetricsStore
    retiring: list[tuple[int, float | None]] = dataclasses.field(default_factory=list)
    scaled: dict[str, int] = dataclasses.field(default_factory=dict)
    #: Where the daemon was started; "" from a program that lives there still.
    directory: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """The parts of the running daemon that another program takes over."""

    active: ActiveConfig
    tree: ProcessTree
    runtime: Runtime
    lifecycle: Lifecycle
    log_file: Path | None


def save(running: Running) -> int:
    """The descriptor of a file in memory with the daemon's state; who execs makes what it names inheritable.

    Its keys are a format between versions: they keep their names whatever the code calls the things.
    """
    active, tree, runtime = running.active, running.tree, running.runtime
    state = {
        "format": FORMAT,
        "config": str(active.config.source),
        "kinds": active.kinds_ref,
        "log_file": str(running.log_file) if running.log_file else None,
        "began": running.lifecycle.began,
        "directory": str(paths.started_in() or ""),
        "scaled": active.scaled,
        "pidfile": [str(runtime.pidfile.path), runtime.pidfile.fd],
        "ports": active.ports,
        "control": runtime.control.fileno(),
        "listeners": [runtime.listeners.host, runtime.listeners.port, runtime.listeners.save()],
        "slots": [dataclasses.asdict(slot) for slot in tree.slots],
        "specs": [dataclasses.asdict(spec) for spec in tree.slots.specs.values()],
        "processes": [
            dataclasses.asdict(Child(p.name, p.kind, p.pid, p.began, p.channel.fileno(), *p.channel.save(), p.version))
            for p in tree.children
        ],
        "retiring": list(tree.retiring.items()),
        "ledger": tree.metrics.save(),
    }
    fd = os.memfd_create("etld-state", 0)
    with open(fd, "wb", closefd=False) as file:
        file.write(json.dumps(state).encode())
    return fd


def read(fd: int) -> Handed:
    """What save() wrote in this or another version. Raises NotUnderstood."""
    with open(fd, "rb") as file:
        file.seek(0)
        text = file.read()
    try:
        saved = json.loads(text)
        if saved.get("format") != FORMAT:
            raise NotUnderstood(f"its state has format {saved.get('format')}, this etld knows format {FORMAT}")
        return _known(
            Handed,
            {
                **saved,
                "slots": [_known(WorkerSlot, {**slot, "state": SlotState(slot["state"])}) for slot in saved["slots"]],
                "specs": [_known(SlotSpec, spec) for spec in saved["specs"]],
                "processes": [_known(Child, process) for process in saved["processes"]],
                "retiring": [(int(pid), kill_at) for pid, kill_at in saved.get("retiring", ())],
                "metrics": MetricsStore.restore(saved["ledger"], saved["began"]),
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotUnderstood(f"{type(error).__name__}: {error}") from error


def check(state: Handed, kinds: Kinds, config: Config) -> None:
    """Could this program go on from there? Raises EtldError; nothing is touched."""
    for kind in sorted({slot.kind for slot in state.slots} - set(kinds)):
        raise NotUnderstood(f"this etld has no workers of the kind {kind}")
    where = addresses.resolve(config, state.ports)
    for entry in filter(None, (kind.check for kind in kinds.values())):
        load_object(entry)(config, where)


def _known(cls: type[T], values: Mapping[str, Any]) -> T:
    names = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    return cls(**{name: value for name, value in values.items() if name in names})
