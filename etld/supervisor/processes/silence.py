"""Judging silence: a worker is not blamed for the time in which the machine gave it no CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.supervisor.slots import machine
from etld.util.cpu_wait import CpuWait

if TYPE_CHECKING:
    from etld.supervisor.processes.spawn import Process
    from etld.supervisor.slots.machine import Patience, WorkerSlot

#: From this share of the patience with it on, a silent worker is looked at.
_SUSPECT = 0.25
#: Seconds between two looks: the loop goes round far more often.
_EVERY = 0.2


def excuse(slot: WorkerSlot, process: Process, now: float, patience: Patience) -> WorkerSlot:
    """The slot, with what its process has waited for a CPU since the last call, while it is silent."""
    since = slot.spawned if slot.heard is None else slot.heard
    if now - since < _SUSPECT * patience.hang:
        process.cpu_wait = None
        return slot
    if process.cpu_wait is None or process.silent_since != since:
        process.silent_since, process.cpu_wait = since, CpuWait(process.pid)
        return slot
    if process.cpu_wait.age(now) < _EVERY:
        return slot
    return machine.excuse(slot, process.cpu_wait.more(), now)
