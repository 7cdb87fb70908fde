"""The slots and their processes: what the pure machines decide is done here."""

from __future__ import annotations

import logging
import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from etld.supervisor.kinds import Kinds
from etld.supervisor.observe.metrics_store import MetricsStore
from etld.supervisor.processes import silence
from etld.supervisor.processes.channels import Channels
from etld.supervisor.processes.children import Children
from etld.supervisor.processes.spawn import Process, fork
from etld.supervisor.processes.worker_messages import WorkerMessages
from etld.supervisor.reactor import Reactor
from etld.supervisor.slots import machine, policy
from etld.supervisor.slots.limits import WorkerLimits
from etld.supervisor.slots.machine import Action, Patience, SlotState, WorkerSlot
from etld.supervisor.slots.table import SlotTable
from etld.util.exit_status import describe
from etld.worker import Positions, SlotSpec
from etld.worker.channel import Channel, pack

log = logging.getLogger("etld.supervisor")

#: Runs in a child, and never returns.
ChildEntry = Callable[[SlotSpec, Channel], NoReturn]


class ProcessTree:
    """Starts, watches, replaces and ends the processes of the slots.

    `retiring` are processes outside of a slot, by pid: a successor takes their place. Their value is when they are
    killed (monotonic), None while they serve until the successor is ready.
    """

    def __init__(self, kinds: Kinds, reactor: Reactor, child: ChildEntry, metrics: MetricsStore) -> None:
        self.kinds = kinds
        self.slots = SlotTable(kinds)
        self.metrics = metrics
        messages = WorkerMessages(self.slots, self.metrics, self.release, self._tell_metrics)
        self.children = Children(reactor, Channels(reactor, messages.take, self._flooded), self._ended)
        self.retiring: dict[int, float | None] = {}
        self.limits = WorkerLimits()
        #: The configuration that is given to what is started from now on (plan.snapshot).
        self.snapshot: Mapping[str, Any] = {}
        #: The daemon has been up once.
        self.was_up = False
        #: Called with a slot's spec once the slot is gone for good.
        self.on_removed: Callable[[SlotSpec], None] = lambda _spec: None
        #: Gives the daemon's metrics, compressed, and for how many seconds they are good.
        self.exposition: Callable[[], tuple[bytes, float]] = lambda: (b"", 0.0)
        self._child = child

    # -- what is wanted

    def stop(self, name: str, now: float, grace: float | None = None, leaves: str = "slot") -> None:
        """Let a slot go, gently; `leaves` is "daemon" when all go."""
        slot = self.slots[name]
        if slot.state is SlotState.STOPPING and not slot.wanted:
            return
        grace = self.limits.grace if grace is None else grace
        self.slots.put(machine.stop(slot, now, grace))
        self.children.ask_to_stop(slot.pid, leaves)
        for process in self.children.named(name):
            if process.pid in self.retiring:
                self._retire(process.pid, now, grace)

    def renew(self, name: str, now: float, why: str) -> None:
        """Replace a slot's process; of an overlapping kind, the old one stays until the new one is ready."""
        slot = self.slots[name]
        log.info("%s: replaced (%s)", name, why)
        if self.kinds[slot.kind].overlap and slot.state is SlotState.RUNNING and slot.pid is not None:
            self.retiring[slot.pid] = None
            self.slots.put(machine.vacate(slot, now))
            return
        self.slots.put(machine.renew(slot, now, self.limits.grace, why))
        self.children.ask_to_stop(slot.pid)

    def take_back(self, name: str, now: float) -> None:
        """A one-shot's new run has failed: the one before stands, or another by the old configuration."""
        if self.slots[name].alive:
            self.renew(name, now, "the old configuration stays")
        else:
            self.slots.settle(name)

    def pause(self, name: str, *, paused: bool) -> None:
        """Pause or resume a slot; a paused one stays so when its process is replaced."""
        slot = self.slots[name]
        self.slots.put(replace(slot, paused=paused, rests=False))
        self.children.send(slot.pid, {"type": "pause" if paused else "resume"})

    def pause_at(self, name: str, positions: Positions) -> None:
        """Pause a slot; it still goes on until these offsets, and says where it stands then."""
        slot = self.slots[name]
        self.slots.put(replace(slot, paused=True, rests=False))
        until = [[topic, number, offset] for (topic, number), offset in positions.items()]
        self.children.send(slot.pid, {"type": "pause", "until": until})

    def positions(self, name: str) -> Positions | None:
        """Where a paused slot stands; None as long as it does not stand still."""
        slot = self.slots[name]
        process = self.children.get(slot.pid)
        return process.positions if process is not None and slot.settled and slot.paused and slot.rests else None

    def patience_of(self, slot: WorkerSlot) -> Patience:
        """How long this slot's processes are waited for."""
        return self.limits.of_kind(self.kinds[slot.kind], was_up=self.was_up)

    # -- time

    def tick(self, now: float, *, spawn: bool = True) -> None:
        """Do what is due; without `spawn`, as at the end, nothing begins any more."""
        for slot in policy.load(self.slots):
            self.slots.put(slot)
        for slot in policy.admit(self.slots) if spawn else ():
            self.slots.put(slot)
            self.children.send(slot.pid, {"type": "begin"})
        for before in self.slots:
            slot, action = self._judge(before, now)
            self.slots.put(slot)
            if action is Action.SPAWN and spawn:
                self._spawn(slot, now)
            elif action in (Action.ABORT, Action.KILL):
                number = signal.SIGABRT if action is Action.ABORT else signal.SIGKILL
                log.warning("%s: %s; %s", slot.name, slot.last_error or "did not stop in time", number.name)
                self.children.kill(slot.pid, number)
            elif slot.state is SlotState.STOPPED and not self.children.named(slot.name):
                spec = self.slots.specs[slot.name]
                self.slots.remove(slot.name)
                self.on_removed(spec)
        for pid, kill_at in self.retiring.items():
            if kill_at is not None and now >= kill_at:
                self.children.kill(pid, signal.SIGKILL)

    def _judge(self, slot: WorkerSlot, now: float) -> tuple[WorkerSlot, Action | None]:
        """What is due for a slot; a silent worker is heard before it is given up."""
        patience = self.patience_of(slot)
        process = self.children.get(slot.pid)
        if process is not None and slot.kill_at is None:
            slot = silence.excuse(slot, process, now, patience)
        judged, action = machine.tick(slot, now, patience)
        if action is Action.ABORT:
            self.slots.put(slot)
            self.children.listen(slot.pid)
            return machine.tick(self.slots[slot.name], now, patience)
        return judged, action

    def kill(self, slot: WorkerSlot, now: float, why: str) -> None:
        """Kill a slot's process, and note why."""
        log.error("%s: %s; SIGKILL", slot.name, why)
        self.slots.put(replace(machine.complained(slot, why, fatal=False), kill_at=now + 1.0))
        self.children.kill(slot.pid, signal.SIGKILL)

    def stopped(self) -> bool:
        """Is no process left?"""
        return not len(self.children)

    # -- processes

    def add_process(self, process: Process) -> None:
        """A child that was forked."""
        self.metrics.open(process.pid, process.name, process.kind)
        self.children.add(process)

    def _spawn(self, slot: WorkerSlot, now: float) -> None:
        spec = self.slots.specs[slot.name]
        try:
            process = fork(spec, self.kinds[slot.kind], lambda channel: self._child(spec, channel), now)
        except OSError as error:
            log.error("%s: cannot fork: %s", slot.name, error.strerror)
            self.slots.put(
                replace(slot, not_before=now + 1.0, last_error=f"cannot fork: {error.strerror}", error_code="")
            )
            return
        process.snapshot = self.snapshot
        self.slots.put(machine.spawned(slot, process.pid, now))
        self.add_process(process)
        if slot.admitted:
            self.children.send(process.pid, {"type": "begin"})
        if slot.paused:
            self.children.send(process.pid, {"type": "pause"})
        log.info("%s: started (pid %d)", slot.name, process.pid)

    def _tell_metrics(self, process: Process) -> None:
        text, fresh = self.exposition()
        self.children.send(process.pid, {"type": "metrics", "text": pack(text), "fresh": fresh})

    def _flooded(self, process: Process) -> None:
        slot = self.slots.get(process.name)
        if slot is not None and slot.pid == process.pid:
            self.kill(slot, time.monotonic(), "flooded the supervisor with messages")
        else:
            process.signal(signal.SIGKILL)

    def _ended(self, process: Process, code: int) -> None:
        """Account for the end of a child."""
        self.metrics.close(process.pid)
        asked = self.retiring.pop(process.pid, None) is not None
        before = self.slots.get(process.name)
        if before is None or before.pid != process.pid:
            level = logging.INFO if asked else logging.ERROR
            log.log(level, "%s: the process before (pid %d) %s", process.name, process.pid, describe(code))
            return
        jitter = random.uniform(0.8, 1.2)  # noqa: S311  # no secret
        slot = machine.exited(before, code, time.monotonic(), self.patience_of(before), jitter)
        self.slots.put(slot)
        _log_end(before, slot, code)
        if slot.state is SlotState.FATAL:
            self.reinstate(slot.name)

    def reinstate(self, name: str) -> None:
        """A successor is given up: the process before it, if it still waits, has the slot again."""
        slot = self.slots[name]
        for process in self.children.named(slot.name):
            if self._waits(process.pid) and slot.wanted and not slot.alive:
                del self.retiring[process.pid]
                self.slots.put(machine.reinstated(slot, process.pid, process.began, time.monotonic()))
                if slot.paused:
                    self.children.send(process.pid, {"type": "pause"})
                log.error("%s: the process before (pid %d) serves on", slot.name, process.pid)
                return

    def release(self, name: str) -> None:
        """The successor is ready: those before it may go."""
        for process in self.children.named(name):
            if self._waits(process.pid):
                self._retire(process.pid, time.monotonic(), self.limits.grace)

    def _waits(self, pid: int) -> bool:
        """Does this process serve until its successor is ready?"""
        return pid in self.retiring and self.retiring[pid] is None

    def _retire(self, pid: int, now: float, grace: float) -> None:
        self.retiring[pid] = now + grace
        self.children.ask_to_stop(pid)

    def is_retiring(self, name: str) -> bool:
        """Has a former process of this slot not ended yet?"""
        return any(process.pid in self.retiring for process in self.children.named(name))

    def outdated(self) -> dict[str, str]:
        """Versions by name, of the workers that the program before this one started, and that should be replaced."""
        return {
            process.name: process.version
            for process in self.children
            if process.inherited and not self.kinds[process.kind].embedded
        }


def _log_end(before: WorkerSlot, after: WorkerSlot, code: int) -> None:
    explained = {"explain": policy.code_of_slot(after) or None}
    if after.state is SlotState.DONE:
        log.info("%s: done", after.name)
    elif after.state is SlotState.FATAL:
        log.error("%s: given up: %s", after.name, after.last_error, extra=explained)
    elif after.state is SlotState.BACKOFF:
        log.error("%s: %s; attempt %d", after.name, after.last_error, after.failures + 1, extra=explained)
    elif before.wanted and not before.replacing:
        log.error("%s: %s; starting it again", after.name, after.last_error, extra=explained)
    else:
        log.info("%s: stopped (%s)", after.name, describe(code))
