"""The daemon's one thread: signals, children, control socket and time in one loop."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from etld import logs
from etld.control.daemon import Answer, Later, Reply, VerbError
from etld.control.server import Server
from etld.errors import EtldError
from etld.supervisor.kinds import Kinds, Spec, load_kinds, specs
from etld.supervisor.network import addresses
from etld.supervisor.observe import log_location, report
from etld.supervisor.observe.disk import Disk
from etld.supervisor.observe.startup_notifier import Herald
from etld.supervisor.observe.systemd import Notifier
from etld.supervisor.processes import child, recycle
from etld.supervisor.processes.tree import Tree
from etld.supervisor.reactor import Reactor
from etld.supervisor.reload import drain, operations, plan
from etld.supervisor.shutdown import Shutdown
from etld.supervisor.slots import policy
from etld.supervisor.slots.machine import Patience, Slot
from etld.supervisor.upgrade.successor import Successor
from etld.worker import Addresses
from etld.worker.channel import Channel

if TYPE_CHECKING:
    from etld.config import Config
    from etld.supervisor.runtime import Runtime

log = logging.getLogger("etld.supervisor")

SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGCHLD,
)
_TICK = 1.0
_OPERATION_TICK = 0.02
_AWAY = 4.0
#: Everybody waits for the ground: try it more often than a role.
_GROUND_BACKOFF = 3.0


class Supervisor:
    """Keeps the workers of one configuration alive; answers the control verbs (control.daemon.Daemon)."""

    def __init__(
        self, config: Config, kinds_ref: str, runtime: Runtime, *, log_file: Path | None, herald: Herald
    ) -> None:
        self.config = config
        self.kinds_ref = kinds_ref
        self.kinds: Kinds = load_kinds(kinds_ref)
        self.runtime = runtime
        self.log_file = log_file
        self.herald = herald
        self.snapshot: dict[str, Any] = {}
        self.scaled: dict[str, int] = {}
        self.began = time.monotonic()
        self.pid = os.getpid()
        self.was_started = False
        self.reexec = False
        self.exit_code = 0
        self.notifier = Notifier()
        self.reactor = Reactor(SIGNALS, self._signal)
        self.tree = Tree(self.kinds, self.reactor, self._born)
        self.tree.on_gone = self._gone
        self.operations = operations.Operations(self)
        self.successor = Successor()
        self.shutdown: Shutdown | None = None
        self.server = Server(runtime.control, self, self.reactor)
        self.disk = Disk()
        self._told_doors = ""
        self._next_tick = 0.0
        self._last_turn = time.monotonic()
        self.adopt(config, plan.snapshot(config))

    @property
    def stopping(self) -> bool:
        """Has the end begun?"""
        return self.shutdown is not None

    # -- life

    def begin(self) -> None:
        """Want every slot of the configuration."""
        for spec in specs(self.kinds, self.config):
            self.tree.add(spec)

    def run(self) -> int:
        """Go round until every process is gone; the exit code. Also returns when `reexec` is set."""
        while not (self.stopping and self.tree.stopped() and not self.tree.slots):
            self.reactor.run_once(self._timeout())
            self._turn(time.monotonic())
            logs.tick()
            if self.reexec and not (self.stopping or self.operations.current or self.server.waiting):
                return 0
        self.notifier.status("stopped")
        log.info("stopped")
        self.herald.close()
        self.server.close()
        self.runtime.release(self.config)
        return self.exit_code

    def _timeout(self) -> float:
        if self.server.busy:
            return 0.0
        now = time.monotonic()
        until = self._next_tick
        due = self.tree.next_due()
        if due is not None:
            until = min(until, due)
        if self.operations.current or self.stopping:
            until = min(until, now + _OPERATION_TICK)
        return until - now

    def _turn(self, now: float) -> None:
        if now - self._last_turn > _AWAY:
            log.warning("was away for %.0f s; nobody is blamed for it", now - self._last_turn)
            self.tree.forgive(now)
        self._last_turn = now
        if self.shutdown is not None:
            self.shutdown.advance(now)
        self.tree.tick(now, spawn=not self.stopping)
        self.operations.advance()
        self.server.pump(now)
        self._announce()
        if now >= self._next_tick:
            self._next_tick = now + _TICK
            limits = self.config.supervisor
            recycle.measure(self.tree, limits.max_memory, limits.max_events, now)
            self.disk.look((self.config.state_dir, self.config.log_dir, self.config.charts.dir))
            self._tell_doors()
            if not self.stopping and not self.operations.current:
                self.notifier.status(report.line(self))
        elif self._told_doors != report.state(self):
            self._tell_doors()
        self.notifier.alive(now)

    def _tell_doors(self) -> None:
        """Tell who answers probes how the daemon does: every second, and when its state changes."""
        self._told_doors = report.state(self)
        self.tree.broadcast({"type": "daemon", **report.public(self)}, self._doors())

    def _doors(self) -> list[Slot]:
        return [slot for slot in self.tree.slots.values() if self.kinds[slot.kind].listens]

    def _announce(self) -> None:
        if self.was_started or self.stopping:
            return
        everyone = list(self.tree.slots.values())
        hopeless = policy.hopeless(everyone) or policy.shut(self._doors())
        self.herald.progress(everyone, self.tree.progress)
        if hopeless:
            slot = hopeless[0]
            self.fail(f"{slot.name}: {slot.last_error}", os.EX_CONFIG if slot.doomed else 1)
        elif policy.started(everyone):
            self.was_started = self.tree.was_up = True
            given_up = [slot for slot in everyone if not slot.settled]
            self.notifier.ready(report.line(self))
            self.herald.started(self.addresses, given_up)
            log.info("ready after %.1f s", time.monotonic() - self.began)

    def fail(self, reason: str, code: int) -> None:
        """Starting is hopeless: say why, and end; with EX_CONFIG the service manager does not try again."""
        log.error("not started: %s", reason)
        self.herald.failed(reason)
        self.exit_code = code
        self.stop(quick=False)

    def _signal(self, number: signal.Signals) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self.stop(quick=self.stopping)
        elif number == signal.SIGHUP:
            self._hangup()
        elif number == signal.SIGUSR1:
            logs.rotate(self.log_file)
            self.tree.kill_all(signal.SIGUSR1)
        elif number == signal.SIGCHLD and self.pid == 1:
            self._reap_strangers()

    def _hangup(self) -> None:
        try:
            self.reload(dry_run=False)
        except (EtldError, VerbError) as error:
            for line in str(error).splitlines():
                log.error("reload: %s", line)
            # systemd waits for the end of the reload, also of one that failed.
            self.notifier.reloading()
            self.notifier.ready("reload failed; the old configuration stays (see the log)")

    def _reap_strangers(self) -> None:
        """As process 1: orphans of others end here too."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            if found.si_pid in self.tree.processes:
                self.tree.reap(found.si_pid)
            elif not self.successor.reap(found.si_pid):
                os.waitpid(found.si_pid, 0)

    # -- workers

    def _born(self, spec: Spec, channel: Channel) -> NoReturn:
        kind = self.kinds[spec.kind]
        config, where = self.config_for(kind.name), self.addresses
        if not kind.database:
            where = dataclasses.replace(where, postgres=None)
        sockets = (self.runtime.listeners.get(spec.index),) if kind.listens else ()
        birth = child.Birth(spec, kind, config, where, sockets, self.pid, self.log_file)
        child.main(birth, channel)

    def config_for(self, kind: str) -> Config:
        """The configuration as a worker of this kind may see it, with the number of workers that there are."""
        config = self.config if self.kinds[kind].database else without_database(self.config)
        if kind in self.scaled and self.counts(kind):
            table = getattr(config, kind).model_copy(update={"workers": self.scaled[kind]})
            config = config.model_copy(update={kind: table})
        return config

    def counts(self, kind: str) -> bool:
        """Are its workers told their own table, and with it how many they are?"""
        return kind in self.kinds[kind].push(self.config, None)

    def _gone(self, name: str) -> None:
        kind, _, index = name.rpartition("-")
        if kind in self.kinds and self.kinds[kind].listens:
            self.runtime.listeners.drop(int(index))

    # -- configuration

    def adopt(self, config: Config, snapshot: dict[str, Any]) -> None:
        """Use this configuration for all that is started from now on."""
        if self.snapshot:
            changed = plan.changed_keys(self.snapshot, snapshot)
            for group in list(self.scaled):  # the file's word is newer than the verb's
                if any(
                    key in (f"{group}.workers", f"event_types.{group.partition('-')[2]}.workers") for key in changed
                ):
                    del self.scaled[group]
        self.config, self.snapshot = config, snapshot
        ports = addresses.choose_ports(config)
        ports["http"] = self.runtime.listeners.port if config.ingest.port == 0 else config.ingest.port
        self.runtime.ports = ports
        self.addresses: Addresses = addresses.resolve(config, ports)
        limits = config.supervisor
        patience = Patience(
            limits.start_seconds, limits.max_failures, backoff_max=limits.backoff_max, hang=limits.hang_timeout
        )
        self.tree.patience = patience
        self.tree.embedded_patience = dataclasses.replace(
            patience, hang=limits.embedded_hang_timeout, backoff_max=min(limits.backoff_max, _GROUND_BACKOFF)
        )
        self.tree.grace = limits.stop_timeout * 2 / 3
        logs.setup("supervisor", unread(config).log_settings())

    # -- verbs

    def status(self) -> Reply:
        """Workers, addresses, totals."""
        return report.status(self)

    def health(self) -> Reply:
        """Live, ready, healthy."""
        return report.health(self)

    def metrics(self) -> str:
        """Prometheus text."""
        return report.metrics(self)

    def logs(self, lines: int) -> Reply:
        """Where the log goes, and its last lines."""
        return log_location.answer(self.log_file, lines)

    def stop(self, *, quick: bool) -> Reply:
        """Begin the end, or hasten it."""
        if self.shutdown is None:
            log.info("stopping")
            self.operations.cancel()
            self.notifier.stopping()
            self.shutdown = Shutdown(self.tree, self.config.supervisor.stop_timeout, self.runtime.listeners)
        if quick:
            self.shutdown.hasten(time.monotonic())
        return {"pid": self.pid}

    def reload(self, *, dry_run: bool) -> Answer:
        """Take the edited configuration."""
        return operations.reload(self, dry_run)

    def scale(self, target: str, count: int) -> Answer:
        """Change a number of workers."""
        return operations.scale(self, target, count)

    def pause(self, target: str, *, paused: bool) -> Answer:
        """Pause or resume workers."""
        found = [slot for slot in self.tree.live([target]) if not slot.one_shot]
        if not found:
            raise operations.unknown(self, target)
        if paused and any(self.kinds[slot.kind].embedded for slot in found):
            raise VerbError("refused", f"{target}: an embedded part cannot be paused")
        for slot in found:
            self.tree.pause(slot.name, paused=paused)
        names = [slot.name for slot in found]
        return operations.at_rest(self, names) if paused else {"workers": names}

    def restart(self, target: str | None) -> Answer:
        """Replace workers one by one."""
        return operations.restart(self, target)

    def drain(self, *, timeout: float | None) -> Answer:
        """Refuse new events, finish the old."""
        return drain.drain(self, timeout)

    def forsaken(self, later: Later) -> None:
        """Whoever waited for this answer has gone."""
        self.operations.forsaken(later)


def unread(config: Config) -> Config:
    """The configuration for the supervisor's log: it reads no password of the database, so that no child inherits it."""
    return config.model_copy(update={"postgres": config.postgres.model_copy(update={"password_file": None})})


def without_database(config: Config) -> Config:
    """The configuration for a role that has no business with the database: it cannot tell what it is not told."""
    postgres = config.postgres.model_copy(update={"dsn": "embedded", "password_file": None})
    return config.model_copy(update={"postgres": postgres})
