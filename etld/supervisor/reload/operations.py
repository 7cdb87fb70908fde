"""What takes a while (reload, rolling restart, scale; drain.py): generators that the loop drives."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from etld.config import refuse_unsafe, refuse_unsafe_files
from etld.control.daemon import Answer, Later, Reply, VerbError
from etld.errors import EtldError
from etld.supervisor.config_checks import load
from etld.supervisor.kinds import specs
from etld.supervisor.network import listening
from etld.supervisor.reload import plan
from etld.supervisor.slots import policy
from etld.supervisor.slots.machine import State
from etld.worker.channel import pack

if TYPE_CHECKING:
    from etld.config import Config
    from etld.supervisor.supervisor import Supervisor

log = logging.getLogger("etld.supervisor")

_LAST_KNOCK = 0.25
_ENOUGH_FAILURES = 3
# Shorter than a client's patience with the control socket.
_REST_WITHIN = 8.0
#: Yields nothing, again and again, until it returns its answer.
Work = Generator[None, None, Reply]


class Operations:
    """At most one at a time."""

    def __init__(self, daemon: Supervisor) -> None:
        self._daemon = daemon
        self._work: Work | None = None
        self._later: Later | None = None
        self._lasting = True
        self._what = ""
        #: What is under way, in words; None when nothing is.
        self.current: str | None = None
        #: The operation that ended last, and its error: {"name", "error"}.
        self.last: dict[str, str | None] | None = None

    def start(self, what: str, work: Work, *, lasting: bool = True) -> Answer:
        """Begin; the answer comes when the work is done. What is not `lasting` ends when nobody waits for it."""
        if self._work is not None:
            work.close()
            raise VerbError("busy", f"{self.current} is under way; try again when it is done")
        if self._daemon.stopping:
            work.close()
            raise VerbError("stopping", "the daemon is stopping")
        self._work, self.current, self._what, self._lasting = work, what, what, lasting
        outcome: list[Reply | BaseException] = []

        def finish(result: Reply | BaseException) -> None:
            outcome.append(result)

        def later() -> Reply | None:
            if not outcome:
                return None
            if isinstance(outcome[0], BaseException):
                raise outcome[0]
            return outcome[0]

        self._finish, self._later = finish, later
        self.advance()
        return later

    def advance(self) -> None:
        """Let the work go on."""
        if self._work is None:
            return
        try:
            next(self._work)
            return
        except StopIteration as end:
            result: Reply | BaseException = end.value
            log.info("%s: done", self.current)
        except Exception as error:
            result = error
            if isinstance(error, (VerbError, EtldError)):
                log.error("%s: %s", self.current, error)
            else:
                log.exception("%s failed", self.current)
        self._end(result)

    def cancel(self) -> None:
        """The daemon stops."""
        self._break_off(VerbError("stopping", "the daemon is stopping"))

    def forsaken(self, later: Later) -> None:
        """Whoever waited for this answer has gone."""
        if later is self._later and self._work is not None and not self._lasting:
            log.info("%s: broken off, since nobody waits for it any more", self.current)
            self._break_off(VerbError("forsaken", "nobody waits for it any more"))

    def _break_off(self, why: VerbError) -> None:
        if self._work is not None:
            self._work.close()
            self._end(why)

    def _end(self, result: Reply | BaseException) -> None:
        error = str(result) or type(result).__name__ if isinstance(result, BaseException) else None
        self.last = {"name": self._what, "error": error}
        self._work, self.current = None, None
        self._finish(result)


def roll(daemon: Supervisor, names: Sequence[str], why: str) -> Generator[None, None, None]:
    """Replace workers one by one, the next when the last is ready; stops at one that does not come up."""
    for number, name in enumerate(names, 1):
        if name not in daemon.tree.slots or not daemon.tree.slots[name].wanted:
            continue
        if daemon.operations.current:
            daemon.operations.current = f"{why}: {name} ({number} of {len(names)})"
        daemon.tree.renew(name, time.monotonic(), why)
        yield from until_settled(daemon, [name])


def until_settled(daemon: Supervisor, names: Iterable[str]) -> Generator[None, None, None]:
    """Wait until these slots are up. Raises VerbError when one is given up, or fails again and again."""
    for name in names:
        while True:
            yield
            slot = daemon.tree.slots.get(name)
            if slot is None or (slot.settled and not slot.stands_in and name not in daemon.tree.retiring_names()):
                break
            if slot.state is State.FATAL or slot.failures >= _ENOUGH_FAILURES or slot.stands_in:
                daemon.tree.reinstate(name, time.monotonic())
                stays = "; the process before serves on" if daemon.tree.slots[name].stands_in else ""
                raise VerbError("failed", f"{name} does not come up: {slot.last_error}{stays}")


def reload(daemon: Supervisor, dry_run: bool) -> Answer:
    """Parse fully, plan, then do it. Raises ConfigError with every mistake, nothing changed."""
    refuse_unsafe(daemon.config.source)
    new = load(daemon.config.source)
    refuse_unsafe_files(new)
    after = plan.snapshot(new)
    running = [daemon.tree.specs[slot.name] for slot in daemon.tree.slots.values() if slot.wanted]
    todo = plan.make(daemon.kinds, daemon.config, new, daemon.snapshot, after, running, daemon.scaled)
    if todo.refused:
        keys = ", ".join(todo.refused)
        raise VerbError("refused", f"{keys}: only `etld stop` and `etld start` can change this; nothing was changed")
    answer = {"changed": list(todo.changed), "plan": [step.as_dict() for step in todo.steps]}
    if dry_run or not todo.changed:
        return {**answer, "dry_run": dry_run}
    return daemon.operations.start("reload", _reload(daemon, new, after, todo, answer))


def _reload(daemon: Supervisor, new: Config, after: dict[str, Any], todo: plan.Plan, answer: Reply) -> Work:
    old, before = daemon.config, daemon.snapshot
    tree = daemon.tree
    listeners = listening.prepare(daemon, new)  # a taken port: EtldError, nothing changed
    daemon.notifier.reloading()
    try:
        for step in todo.steps:
            log.info("reload: %s %s (%s)", step.action, step.slot, ", ".join(step.why))
        daemon.adopt(new, after)
        ground = [name for name in todo.of("restart") if tree.slots[name].rank < policy.FIRST_ROLE_RANK]
        yield from roll(daemon, ground, "reload")
        for name in todo.of("run"):
            tree.renew(name, time.monotonic(), "reload")
            yield from _until_run(daemon, name, "the old configuration stays")
    except BaseException:
        if daemon.config is new and not daemon.stopping:
            daemon.adopt(old, before)
            for name in todo.of("run"):
                tree.settle(name)
        if listeners is not None:
            listeners.close()
        daemon.notifier.ready("reload failed; the old configuration stays")
        raise
    if listeners is not None:
        listening.swap(daemon, listeners)
    started, stopped = yield from _resize(daemon)
    names = {*todo.of("reload"), *_count_on(daemon, started, stopped)}
    refusals = yield from _tell(daemon, list(tree.slots) if "log.level" in todo.changed else names)
    yield from until_settled(daemon, started)
    yield from roll(daemon, [name for name in todo.of("restart") if name not in ground], "reload")
    daemon.notifier.ready("ready")
    if refusals:
        raise VerbError("refused", "\n".join(refusals))
    return answer


def _tell(daemon: Supervisor, names: Collection[str]) -> Generator[None, None, list[str]]:
    """Wait until these workers work by the configuration; why some do not. One that is too busy takes it later."""
    slots = [slot for name, slot in daemon.tree.slots.items() if name in names]
    told = [daemon.tree.reload(slot.pid, pack(daemon.config_for(slot.kind))) for slot in slots]
    deadline = time.monotonic() + _REST_WITHIN
    refusals = []
    for process in filter(None, told):
        while process.taken < process.told and process.pid in daemon.tree.processes and time.monotonic() < deadline:
            yield
        if process.refused is not None:
            refusals.append(
                f"{process.name} works on by the old configuration: {process.refused};"
                f" mend it, then `etld restart {process.name}`"
            )
    return refusals


def _count_on(daemon: Supervisor, started: Sequence[str], stopped: Sequence[str]) -> list[str]:
    """The workers that stay, of a kind whose number has changed and that share something by that number."""
    changed = {name.rpartition("-")[0] for name in (*started, *stopped)}
    slots = daemon.tree.slots.values()
    return [s.name for s in slots if s.kind in changed and s.name not in started and s.wanted and daemon.counts(s.kind)]


def _until_run(daemon: Supervisor, name: str, otherwise: str) -> Generator[None, None, None]:
    while daemon.tree.slots[name].state is not State.DONE:
        slot = daemon.tree.slots[name]
        if slot.state is State.FATAL or slot.failures:
            raise VerbError("failed", f"{slot.last_error}; {otherwise}")
        yield


def _resize(daemon: Supervisor) -> Generator[None, None, tuple[list[str], list[str]]]:
    """Start and stop slots until they are those that the configuration asks for; the names of both."""
    wanted = {spec.name: spec for spec in specs(daemon.kinds, daemon.config, daemon.scaled)}
    tree = daemon.tree
    extra = [name for name, slot in tree.slots.items() if slot.wanted and name not in wanted]
    new = [spec for name, spec in wanted.items() if name not in tree.slots]
    listening.steer(daemon, wanted.values())
    for spec in new:
        tree.add(spec)
    if any(daemon.kinds[tree.slots[name].kind].listens for name in extra):
        # Who has knocked at a door that is to close is let in first.
        until = time.monotonic() + _LAST_KNOCK
        while time.monotonic() < until:
            yield
    for name in extra:
        log.info("%s: not wanted any more", name)
        tree.stop(name, time.monotonic())
    return [spec.name for spec in new], extra


def scale(daemon: Supervisor, target: str, count: int) -> Answer:
    """Change a kind's (or one event type's) number of workers until the next start."""
    groups = []
    for kind in daemon.kinds.values():
        for event_type, _ in kind.counts(daemon.config):
            group = f"{kind.name}-{event_type}" if event_type else kind.name
            if target in (kind.name, group):
                if kind.embedded or kind.one_shot:
                    raise VerbError("refused", f"{target}: there is one, and always one")
                groups.append(group)
    if not groups:
        raise unknown(daemon, target)
    return daemon.operations.start(f"scale {target} to {count}", _scale(daemon, groups, count))


def _scale(daemon: Supervisor, groups: Sequence[str], count: int) -> Work:
    while any(not slot.wanted for slot in daemon.tree.slots.values()):
        yield  # a name that is on its way out cannot be given anew
    daemon.scaled.update(dict.fromkeys(groups, count))
    started, stopped = yield from _resize(daemon)
    refusals = yield from _tell(daemon, _count_on(daemon, started, stopped))
    yield from until_settled(daemon, started)
    while any(name in daemon.tree.slots for name in stopped):
        yield
    if refusals:
        raise VerbError("refused", "\n".join(refusals))
    return {"started": started, "stopped": stopped}


def restart(daemon: Supervisor, target: str | None) -> Answer:
    """Replace the named workers one by one; without a name, the supervisor's program first."""
    if target is None:
        return daemon.operations.start("restart", _upgrade(daemon))
    found = daemon.tree.live([target])
    if not found:
        raise unknown(daemon, target)
    names = [slot.name for slot in found]
    return daemon.operations.start(f"restart {target}", _restart(daemon, names))


def _restart(daemon: Supervisor, names: Sequence[str]) -> Work:
    yield from roll(daemon, names, "restart")
    return {"restarted": list(names)}


def _upgrade(daemon: Supervisor) -> Work:
    """Ask the new program whether it would run at all; only then take its place."""
    yield from daemon.successor.ask(daemon)
    daemon.reexec = True
    return {"restarting": True, "pid": daemon.pid}


def after_upgrade(daemon: Supervisor) -> Work:
    """Set-up (migrations) again, then every role; embedded parts stay."""
    for slot in list(daemon.tree.slots.values()):
        if slot.one_shot:
            daemon.tree.renew(slot.name, time.monotonic(), "upgrade")
            yield from _until_run(daemon, slot.name, "no worker was replaced")
    yield from _resize(daemon)
    in_order = sorted(daemon.tree.slots.values(), key=lambda slot: (slot.rank, slot.name))
    names = [s.name for s in in_order if s.wanted and s.rank >= policy.FIRST_ROLE_RANK]
    yield from roll(daemon, names, "restart")
    return {"restarted": names}


def at_rest(daemon: Supervisor, names: Sequence[str]) -> Answer:
    """Answers when paused workers have finished what they had in hand; `waiting` are those that have not."""
    deadline = time.monotonic() + _REST_WITHIN

    def later() -> Reply | None:
        slots = (daemon.tree.slots.get(name) for name in names)
        busy = [slot.name for slot in slots if slot is not None and slot.alive and slot.paused and not slot.rests]
        if busy and time.monotonic() < deadline:
            return None
        return {"workers": list(names), "waiting": busy}

    return later


def unknown(daemon: Supervisor, target: str) -> VerbError:
    """Nothing has this name."""
    names = ", ".join(slot.name for slot in daemon.tree.slots.values() if slot.wanted and not slot.one_shot)
    return VerbError("unknown_target", f"{target!r} is no kind, no worker and no prefix of one; there are {names}")
