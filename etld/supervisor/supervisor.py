"""The daemon's one thread: signals, children, control socket and time in one loop."""

from __future__ import annotations

import logging
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from etld import logs
from etld.control.server import ControlServer
from etld.control.verbs import VerbError
from etld.errors import EtldError, coded
from etld.supervisor import handlers
from etld.supervisor.lifecycle import Lifecycle
from etld.supervisor.observe.disk import Disk
from etld.supervisor.observe.exposition import SharedExposition
from etld.supervisor.observe.metrics_store import MetricsStore
from etld.supervisor.observe.report import DaemonReport
from etld.supervisor.observe.startup_notifier import StartupNotifier
from etld.supervisor.observe.systemd import ServiceManager
from etld.supervisor.processes import child, recycle
from etld.supervisor.processes.tree import ProcessTree
from etld.supervisor.reactor import Reactor
from etld.supervisor.reload.active_config import ActiveConfig, without_password_file
from etld.supervisor.reload.config_reload import reload
from etld.supervisor.reload.operations import Operations
from etld.supervisor.reload.parts import Parts
from etld.supervisor.shutdown import Shutdown
from etld.supervisor.slots import policy
from etld.supervisor.slots.limits import WorkerLimits
from etld.supervisor.slots.machine import SlotState
from etld.supervisor.upgrade import takeover
from etld.supervisor.upgrade.handover import Handed, Running
from etld.supervisor.upgrade.restart import after_upgrade
from etld.supervisor.upgrade.successor import Successor
from etld.worker.channel import Channel

if TYPE_CHECKING:
    from etld.config import Config
    from etld.supervisor.runtime import Runtime
    from etld.supervisor.slots.machine import WorkerSlot
    from etld.worker import SlotSpec

log = logging.getLogger("etld.supervisor")

_TICK = 1.0
#: Kinds that have a connection to the database as long as they run.
_TELLERS = ("aggregator", "processor", "corrector", "lake")
_OPERATION_TICK = 0.02
# Seconds in which a daemon may find out that another one has its place; an older one goes on with what it can do.
_NEWCOMER = 120.0
#: Seconds that the loop may be late before its own delay is not charged to the workers any more (it had no CPU), and
#: before that is worth a line in the log (the process or the machine was stopped).
_LATE, _AWAY = 0.25, 3.0


@dataclass(frozen=True, slots=True)
class Startup:
    """How the daemon was started. `kinds`: "module:attribute" of its table of worker kinds."""

    kinds: str
    log_file: Path | None = None
    notifier: StartupNotifier = field(default_factory=StartupNotifier)


class Supervisor:
    """Keeps the workers of one configuration alive. `saved` is what the program before this one handed over."""

    def __init__(self, config: Config, startup: Startup, runtime: Runtime, saved: Handed | None = None) -> None:
        self.lifecycle = Lifecycle()
        self.reactor = Reactor(self._signal)
        active = ActiveConfig(config, startup.kinds, runtime.listeners)
        metrics = saved.metrics if saved else MetricsStore()
        self.tree = tree = ProcessTree(active.kinds, self.reactor, self._child, metrics)
        self.operations = Operations(self.lifecycle, lambda: policy.problems(tree.slots, self.report.faults()))
        self.service_manager = ServiceManager()
        self.running = Running(active, tree, runtime, self.lifecycle, startup.log_file)
        self._startup_notifier = startup.notifier
        self._successor = Successor()
        self._disk = Disk()
        self.report = DaemonReport(self.lifecycle, tree, active, self.operations, self._disk)
        tree.exposition = SharedExposition(self.report.metrics).packed
        self.parts = Parts(active, tree, runtime.listeners, self.operations, self.lifecycle, self.service_manager)
        daemon = handlers.Daemon(self.report, self.parts, self.running, self._successor, self._stop)
        self.server = ControlServer(runtime.control, self.reactor, handlers.bound_to(daemon), self.operations.abandoned)
        self._shutdown: Shutdown | None = None
        self._broadcast_state = ""
        self._next_tick = 0.0
        self._last_turn = time.monotonic()
        self._planned = 0.0
        tree.on_removed = self._removed
        active.on_adopted = self._configure
        self._configure(config)
        if saved:
            self._take_over(saved)
        else:
            for spec in active.specs():
                tree.slots.add(spec)

    def _take_over(self, saved: Handed) -> None:
        """Go on from there, in the middle of the rolling restart."""
        self.lifecycle.began = saved.began
        self.lifecycle.was_started = True
        self.running.active.scaled = saved.scaled
        takeover.take_workers(self.tree, saved)
        self.operations.start("restart", after_upgrade(self.parts))

    def _configure(self, config: Config) -> None:
        self.tree.limits = WorkerLimits.of_config(config.supervisor)
        self.operations.limit = config.supervisor.operation_timeout
        self.tree.snapshot = self.running.active.snapshot
        logs.setup("supervisor", without_password_file(config).log_settings())

    # -- the loop

    def run(self) -> int:
        """Go round until every process is gone; the exit code. Also returns when the program is to be replaced."""
        life = self.lifecycle
        while not (life.stopping and self.tree.stopped() and not len(self.tree.slots)):
            self._planned = self._timeout()
            self.reactor.run_once(self._planned)
            self._turn(time.monotonic())
            logs.tick()
            if life.upgrading and not (life.stopping or self.operations.current or self.server.waiting):
                return 0
        self.service_manager.status("stopped")
        log.info("stopped")
        self._startup_notifier.close()
        self.server.close()
        self.running.runtime.release(self.running.active.config)
        return life.exit_code

    def _timeout(self) -> float:
        if self.server.busy:
            return 0.0
        now = time.monotonic()
        until = self._next_tick
        due = self.tree.slots.next_due()
        if due is not None:
            until = min(until, due)
        if self.operations.current or self.lifecycle.stopping:
            until = min(until, now + _OPERATION_TICK)
        return max(0.0, until - now)

    def _turn(self, now: float) -> None:
        stopping = self.lifecycle.stopping
        away = now - self._last_turn - self._planned
        if away > _LATE:
            self.tree.slots.forgive(away, now)
        if away > _AWAY:
            log.warning("the supervisor was stopped for %.0f s; the workers' silence meanwhile is not counted", away)
        self._last_turn = now
        if self._shutdown is not None:
            self._shutdown.advance(now)
        self.tree.tick(now, spawn=not stopping)
        self.operations.advance()
        self.server.serve(now)
        self._announce()
        if now >= self._next_tick:
            self._next_tick = now + _TICK
            self._each_second(now)
        elif self._broadcast_state != self.report.state():
            self._broadcast()
        self.service_manager.alive(now)

    def _each_second(self, now: float) -> None:
        config = self.running.active.config
        recycle.measure(self.tree, config.supervisor.max_memory, config.supervisor.max_events, now)
        self._disk.look((config.state_dir, config.log_dir, config.charts.dir))
        self._broadcast()
        if tellers := self._tellers():
            self.tree.children.broadcast({"type": "host", "report": self.report.for_hosts()}, tellers)
        if not self.lifecycle.stopping and not self.operations.current:
            self.service_manager.status(self.report.line())

    def _broadcast(self) -> None:
        """Tell the workers that answer probes how the daemon is: every second, and when its state changes."""
        public = self.report.public()
        self._broadcast_state = public["state"]
        self.tree.children.broadcast({"type": "daemon", **public}, [s.pid for s in self.tree.slots.listening()])

    def _tellers(self) -> list[int]:
        """The worker that tells the other hosts of this one, by way of the database."""
        slots = [slot for slot in self.tree.slots if slot.kind in _TELLERS and slot.state is SlotState.RUNNING]
        return [slot.pid for slot in slots[:1] if slot.pid is not None]

    def _announce(self) -> None:
        """Tell whoever started the daemon how that goes, until it is decided; end one that is one too many."""
        newcomer = time.monotonic() - self.lifecycle.began < _NEWCOMER
        if self.lifecycle.stopping or (self.lifecycle.was_started and not newcomer):
            return
        slots = list(self.tree.slots)
        if newcomer and (refused := policy.no_place(slots)):
            self._fail(refused[0], os.EX_CONFIG)
            return
        if self.lifecycle.was_started:
            return
        hopeless = policy.hopeless(slots) or policy.unreachable(self.tree.slots.listening())
        self._startup_notifier.progress(slots, self.report.progress())
        if hopeless:
            slot = hopeless[0]
            self._fail(slot, os.EX_CONFIG if slot.doomed else 1)
        elif policy.started(slots):
            self.lifecycle.was_started = self.tree.was_up = True
            self.service_manager.ready(self.report.line())
            given_up = [slot for slot in slots if not slot.settled]
            self._startup_notifier.started(self.running.active.addresses, given_up)
            log.info("ready after %.1f s", time.monotonic() - self.lifecycle.began)

    def _fail(self, slot: WorkerSlot, exit_code: int) -> None:
        """Starting is hopeless, or was: say why, and end; with EX_CONFIG the service manager does not try again."""
        reason, code = f"{slot.name}: {slot.last_error}", policy.code_of_slot(slot)
        what = "ending" if self.lifecycle.was_started else "not started"
        log.error("%s: %s", what, reason, extra={"explain": code or None})
        self._startup_notifier.failed(reason, code)
        self.lifecycle.exit_code = exit_code
        self._stop(False)

    def _stop(self, quick: bool) -> None:
        """Begin the end, or hasten it."""
        if self._shutdown is None:
            log.info("stopping")
            self.lifecycle.stopping = True
            self.operations.cancel()
            self.service_manager.stopping()
            timeout = self.running.active.config.supervisor.stop_timeout
            self._shutdown = Shutdown(self.tree, timeout, self.running.runtime.listeners)
        if quick:
            self._shutdown.hasten(time.monotonic())

    # -- signals

    def _signal(self, number: signal.Signals) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stop(self.lifecycle.stopping)
        elif number == signal.SIGHUP:
            self._hangup()
        elif number == signal.SIGUSR1:
            logs.rotate(self.running.log_file)
            self.tree.children.signal_all(signal.SIGUSR1)
        elif number == signal.SIGCHLD and self.lifecycle.pid == 1:
            self.tree.children.reap_orphans(self._successor.reap)

    def _hangup(self) -> None:
        try:
            reload(self.parts, dry_run=False)
        except (EtldError, VerbError) as error:
            told = error.with_code() if isinstance(error, EtldError) else coded(str(error), error.explain)
            for line in told.splitlines():
                log.error("reload: %s", line)
            # systemd waits for the end of the reload, also of one that failed.
            self.service_manager.reloading()
            self.service_manager.ready("reload failed; the old configuration stays (see the log)")

    # -- workers

    def _child(self, spec: SlotSpec, channel: Channel) -> NoReturn:
        """In a new process: become the worker."""
        active, runtime = self.running.active, self.running.runtime
        kind = active.kinds[spec.kind]
        sockets = (runtime.listeners.get(spec.index),) if kind.listens else ()
        config, addresses = active.for_worker(kind.name), active.addresses_for(kind.name)
        log_file = self.running.log_file
        crashed = self.tree.slots[spec.name].by_itself
        birth = child.Birth(spec, kind, config, addresses, sockets, self.lifecycle.pid, log_file, crashed)
        child.main(birth, channel)

    def _removed(self, spec: SlotSpec) -> None:
        if self.running.active.kinds[spec.kind].listens:
            self.running.runtime.listeners.drop(spec.index)
