"""The slots and their processes: what the pure machines decide is done here."""

from __future__ import annotations

import logging
import os
import random
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NoReturn

from etld.supervisor.kinds import Kinds, Spec
from etld.supervisor.observe.metrics_store import Ledger
from etld.supervisor.processes.spawn import Process, fork
from etld.supervisor.processes.worker_messages import Mail
from etld.supervisor.reactor import READ, Reactor
from etld.supervisor.slots import machine, policy
from etld.supervisor.slots.machine import Action, Patience, Slot, State
from etld.worker.channel import Channel

log = logging.getLogger("etld.supervisor")

Born = Callable[[Spec, Channel], NoReturn]


class Tree:
    """All slots by name. `retiring` are processes outside of a slot: a successor takes their place."""

    def __init__(self, kinds: Kinds, reactor: Reactor, born: Born) -> None:
        self.kinds = kinds
        self.reactor = reactor
        self.born = born
        self.ledger = Ledger()
        self.mail = Mail(self)
        self.slots: dict[str, Slot] = {}
        self.specs: dict[str, Spec] = {}
        self.processes: dict[int, Process] = {}
        self.retiring: dict[int, float | None] = {}
        self.memory: dict[str, int] = {}
        self.progress: dict[str, str] = {}
        self.patience = Patience()
        self.embedded_patience = Patience()
        #: The daemon has been up: embedded parts ran here, so what ends them (a full disk) may pass.
        self.was_up = False
        #: Seconds a worker has to finish.
        self.grace = 30.0
        #: Called with a slot's name once it is gone for good.
        self.on_gone: Callable[[str], None] = lambda name: None

    # -- what is wanted

    def add(self, spec: Spec) -> None:
        """A new slot; it starts when its rank may."""
        kind = self.kinds[spec.kind]
        self.specs[spec.name] = spec
        self.slots[spec.name] = Slot(
            spec.name, spec.kind, spec.index, kind.rank, spec.event_type, one_shot=kind.one_shot
        )

    def stop(self, name: str, now: float, grace: float | None = None) -> None:
        """Let a slot go, gently."""
        slot = self.slots[name]
        if slot.state is State.STOPPING and not slot.wanted:
            return
        grace = self.grace if grace is None else grace
        self.put(machine.stop(slot, now, grace))
        self._ask_to_stop(slot.pid)
        for pid, process in list(self.processes.items()):
            if pid in self.retiring and process.name == name:
                self._retire_now(pid, now, grace)

    def renew(self, name: str, now: float, why: str) -> None:
        """Replace a slot's process; of an overlapping kind, the old one stays until the new one is ready."""
        slot = self.slots[name]
        log.info("%s: replaced (%s)", name, why)
        if self.kinds[slot.kind].overlap and slot.state is State.RUNNING and slot.pid is not None:
            self.retiring[slot.pid] = None
            self.put(machine.vacate(slot, now))
            return
        self.put(machine.renew(slot, now, self.grace, why))
        self._ask_to_stop(slot.pid)

    def pause(self, name: str, *, paused: bool) -> None:
        """Pause or resume a slot; a paused one stays so when its process is replaced."""
        slot = self.slots[name]
        self.put(replace(slot, paused=paused, rests=False))
        self.send(slot.pid, {"type": "pause" if paused else "resume"})

    def send(self, pid: int | None, message: dict[str, Any]) -> None:
        """Send a worker a message."""
        process = self.processes.get(pid) if pid is not None else None
        if process is not None:
            process.channel.send(message)
            self.mail.await_write(process)

    def broadcast(self, message: dict[str, Any], receivers: Iterable[Slot]) -> None:
        """Tell these slots' workers; one that has not taken the last message is spared another."""
        for slot in receivers:
            process = self.processes.get(slot.pid) if slot.pid is not None else None
            if process is not None and not process.channel.pending:
                self.send(slot.pid, message)

    def reload(self, pid: int | None, config: str) -> Process | None:
        """Tell a worker a new configuration; the process, which counts those it has taken."""
        process = self.processes.get(pid) if pid is not None else None
        if process is not None:
            process.told += 1
            self.send(pid, {"type": "reload", "config": config})
        return process

    def kill_all(self, number: signal.Signals) -> None:
        """Signal every process."""
        for process in self.processes.values():
            process.signal(number)

    def patience_of(self, slot: Slot) -> Patience:
        """Embedded parts and set-up are slower than roles."""
        kind = self.kinds[slot.kind]
        if kind.embedded and self.was_up:
            return replace(self.embedded_patience, max_failures=0)
        return self.embedded_patience if kind.embedded or kind.one_shot else self.patience

    # -- time

    def tick(self, now: float, *, spawn: bool = True) -> None:
        """Do what is due."""
        for slot in policy.admit(self.slots.values()):
            self.put(slot)
        for name in list(self.slots):
            slot, action = machine.tick(self.slots[name], now, self.patience_of(self.slots[name]))
            self.put(slot)
            if action is Action.SPAWN and spawn:
                self._spawn(slot, now)
            elif action in (Action.ABORT, Action.KILL) and slot.pid is not None:
                number = signal.SIGABRT if action is Action.ABORT else signal.SIGKILL
                log.warning("%s: %s; %s", name, slot.last_error or "did not stop in time", number.name)
                self.processes[slot.pid].signal(number)
            elif slot.state is State.STOPPED:
                self._forget(name)
        for pid, kill_at in self.retiring.items():
            if kill_at is not None and now >= kill_at:
                self.processes[pid].signal(signal.SIGKILL)

    def next_due(self) -> float | None:
        """When tick() should be called again."""
        times = [when for when in map(machine.due, self.slots.values()) if when is not None]
        return min(times, default=None)

    def forgive(self, now: float) -> None:
        """The supervisor itself was away (stopped, suspended): silence meanwhile is no sign of a hang."""
        for slot in list(self.slots.values()):
            if slot.heard is not None or slot.alive:
                self.put(replace(slot, heard=now if slot.heard is not None else None, spawned=max(slot.spawned, now)))

    def end(self, slot: Slot, now: float, why: str) -> None:
        """Kill a slot's process, and note why."""
        log.error("%s: %s; SIGKILL", slot.name, why)
        self.put(replace(machine.complained(slot, why, fatal=False), kill_at=now + 1.0))
        if slot.pid is not None:
            self.processes[slot.pid].signal(signal.SIGKILL)

    # -- processes

    def _spawn(self, slot: Slot, now: float) -> None:
        spec = self.specs[slot.name]
        try:
            process = fork(spec, self.kinds[slot.kind], lambda channel: self.born(spec, channel), now)
        except OSError as error:
            log.error("%s: cannot fork: %s", slot.name, error.strerror)
            self.put(replace(slot, not_before=now + 1.0, last_error=f"cannot fork: {error.strerror}"))
            return
        self.put(machine.spawned(slot, process.pid, now))
        self.adopt(process)
        if slot.paused:
            self.send(process.pid, {"type": "pause"})
        log.info("%s: started (pid %d)", slot.name, process.pid)

    def adopt(self, process: Process) -> None:
        """Listen to a process and wait for its end."""
        self.processes[process.pid] = process
        self.ledger.open(process.pid, process.name, process.kind)
        self.watch(process)

    def watch(self, process: Process) -> None:
        """Register a process's descriptors."""
        self.mail.watch(process)
        self.reactor.watch(process.pidfd, READ, lambda events: self.reap(process.pid))

    def reap(self, pid: int) -> None:
        """A child ended, as its pidfd says."""
        try:
            found, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            found, status = pid, 0
        if found == pid:
            self.ended(pid, os.waitstatus_to_exitcode(status))

    def ended(self, pid: int, code: int) -> None:
        """Account for the end of a child."""
        process = self.processes.get(pid)
        if process is None:
            return
        self.mail.read(process)  # its last words
        now = time.monotonic()
        self.reactor.unwatch(process.channel.fileno())
        self.reactor.unwatch(process.pidfd)
        process.close()
        del self.processes[pid]
        self.ledger.close(pid)
        asked = self.retiring.pop(pid, None) is not None
        slot = self.slots.get(process.name)
        if slot is None or slot.pid != pid:
            said = f"{process.name}: the process before (pid {pid}) {machine.describe(code)}"
            log.log(logging.INFO if asked else logging.ERROR, said)
            return
        before = slot
        slot = machine.exited(slot, code, now, self.patience_of(slot), random.uniform(0.8, 1.2))
        self.put(slot)
        self.progress.pop(slot.name, None)
        self.memory.pop(slot.name, None)
        self._tell_end(before, slot, code)
        if slot.state is State.FATAL:
            self.reinstate(slot.name, now)

    def reinstate(self, name: str, now: float) -> None:
        """A successor is given up: the process before it, if it still waits, has the slot again."""
        slot = self.slots[name]
        for pid, process in self.processes.items():
            waits = process.name == name and self.retiring.get(pid, now) is None
            if waits and slot.wanted and not slot.alive:
                del self.retiring[pid]
                self.put(machine.reinstated(slot, pid, process.began, now))
                if slot.paused:
                    self.send(pid, {"type": "pause"})
                log.error("%s: the process before (pid %d) serves on", name, pid)
                return

    def _tell_end(self, before: Slot, after: Slot, code: int) -> None:
        if after.state is State.DONE:
            log.info("%s: done", after.name)
        elif after.state is State.FATAL:
            log.error("%s: given up: %s", after.name, after.last_error)
        elif after.state is State.BACKOFF:
            log.error("%s: %s; attempt %d", after.name, after.last_error, after.failures + 1)
        elif before.wanted and not before.replacing:
            log.error("%s: %s; starting it again", after.name, after.last_error)
        else:
            log.info("%s: stopped (%s)", after.name, machine.describe(code))

    def release(self, name: str, now: float) -> None:
        """The successor is ready: those before it may go."""
        for pid, process in list(self.processes.items()):
            if process.name == name and self.retiring.get(pid, now) is None:
                self._retire_now(pid, now, self.grace)

    def _retire_now(self, pid: int, now: float, grace: float) -> None:
        self.retiring[pid] = now + grace
        self._ask_to_stop(pid)

    def _ask_to_stop(self, pid: int | None) -> None:
        if pid is not None and pid in self.processes:
            self.send(pid, {"type": "stop"})
            self.processes[pid].signal(signal.SIGTERM)

    def put(self, slot: Slot) -> None:
        """Note what became of a slot."""
        self.slots[slot.name] = slot

    def _forget(self, name: str) -> None:
        if any(process.name == name for process in self.processes.values()):
            return
        del self.slots[name]
        del self.specs[name]
        self.memory.pop(name, None)
        self.progress.pop(name, None)
        self.on_gone(name)

    def settle(self, name: str) -> None:
        """A one-shot whose new run failed stands as done by the one before."""
        slot = self.slots[name]
        if not slot.alive:
            self.put(replace(slot, state=State.DONE, failures=0))

    def retiring_names(self) -> set[str]:
        """The slots whose former process has not ended yet."""
        return {self.processes[pid].name for pid in self.retiring if pid in self.processes}

    def outdated(self) -> dict[str, str]:
        """Versions by name, of the workers that the program before this one started, and that should be replaced."""
        return {
            process.name: process.version
            for process in self.processes.values()
            if process.inherited and not self.kinds[process.kind].embedded
        }

    def stopped(self) -> bool:
        """Is no process left?"""
        return not self.processes

    def live(self, targets: Iterable[str]) -> list[Slot]:
        """The wanted slots that these names, kinds or prefixes mean, in order and once."""
        wanted = [slot for slot in self.slots.values() if slot.wanted]
        return list({slot.name: slot for target in targets for slot in policy.select(wanted, target)}.values())
