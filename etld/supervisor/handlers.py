"""The verbs of the control socket: a new one is a function here, and a command in etld/cli."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from etld.control.arguments import flag, number, seconds, text
from etld.control.verbs import Answer, Request, Verb
from etld.supervisor.observe import log_location
from etld.supervisor.reload import config_reload
from etld.supervisor.reload import drain as draining
from etld.supervisor.reload import pause as pausing
from etld.supervisor.reload import scale as scaling
from etld.supervisor.upgrade import restart as restarting

if TYPE_CHECKING:
    from etld.supervisor.observe.report import DaemonReport
    from etld.supervisor.reload.parts import Parts
    from etld.supervisor.upgrade.handover import Running
    from etld.supervisor.upgrade.successor import Successor

#: Of the workers of one kind.
_MOST_WORKERS = 64
_MOST_LINES = 1000
_LINES = 100


@dataclass(frozen=True, slots=True)
class Daemon:
    """What verbs may use of the daemon."""

    report: DaemonReport
    parts: Parts
    running: Running
    successor: Successor
    #: Begins the daemon's end, or hastens it: quick or not.
    stop: Callable[[bool], None]


Handler = Callable[[Daemon, Request], Answer]
#: By name, in the order in which they are told; the first line of a handler's docstring says what it does.
HANDLERS: dict[str, Handler] = {}


def bound_to(daemon: Daemon) -> dict[str, Verb]:
    """The verbs of this daemon, for the control server."""
    return {name: partial(handler, daemon) for name, handler in HANDLERS.items()}


def _verb(handler: Handler) -> Handler:
    HANDLERS[handler.__name__] = handler
    return handler


@_verb
def status(daemon: Daemon, _request: Request) -> Answer:
    """Workers, addresses, totals."""
    return daemon.report.status()


@_verb
def health(daemon: Daemon, _request: Request) -> Answer:
    """Whether the daemon is live, ready, well, and what is wrong."""
    return daemon.report.health()


@_verb
def metrics(daemon: Daemon, _request: Request) -> Answer:
    """Prometheus text for the whole daemon."""
    return {"text": daemon.report.metrics()}


@_verb
def logs(daemon: Daemon, request: Request) -> Answer:
    """{"lines"?}: where the log goes, and its last lines where it is a file."""
    lines = number(request, "lines", 0, _MOST_LINES) if "lines" in request else _LINES
    return log_location.answer(daemon.running.log_file, lines)


@_verb
def stop(daemon: Daemon, request: Request) -> Answer:
    """{"quick"?}: end the daemon; quick does not wait for what is under way."""
    daemon.stop(flag(request, "quick"))
    return {"pid": daemon.running.lifecycle.pid}


@_verb
def reload(daemon: Daemon, request: Request) -> Answer:
    """{"dry_run"?, "within"?}: take the edited configuration, or only tell the plan; replaces a reload under way."""
    return config_reload.reload(daemon.parts, dry_run=flag(request, "dry_run"), within=seconds(request, "within"))


@_verb
def scale(daemon: Daemon, request: Request) -> Answer:
    """{"target", "count", "within"?}: change how many workers of a kind run."""
    target, count = text(request, "target"), number(request, "count", 0, _MOST_WORKERS)
    return scaling.scale(daemon.parts, target, count, seconds(request, "within"))


@_verb
def pause(daemon: Daemon, request: Request) -> Answer:
    """{"target"}: let workers stand still."""
    return pausing.pause(daemon.parts.tree, text(request, "target"))


@_verb
def resume(daemon: Daemon, request: Request) -> Answer:
    """{"target"}: let paused workers go on."""
    return pausing.resume(daemon.parts.tree, text(request, "target"))


@_verb
def restart(daemon: Daemon, request: Request) -> Answer:
    """{"target"?, "within"?}: replace workers one by one; without a target the supervisor's program too."""
    if "target" in request:
        return restarting.restart(daemon.parts, text(request, "target"), seconds(request, "within"))
    return restarting.upgrade(daemon.parts, daemon.running, daemon.successor)


@_verb
def drain(daemon: Daemon, request: Request) -> Answer:
    """{"within"?}: refuse new events; answers when all that was accepted is processed, or not within the seconds."""
    return draining.drain(daemon.parts.tree, daemon.parts.operations, seconds(request, "within"))


@_verb
def cancel(daemon: Daemon, _request: Request) -> Answer:
    """End the reload, restart, scaling or drain that is under way; answers when it has taken back what it must."""
    return daemon.parts.operations.call_off()
