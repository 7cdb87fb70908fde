"""Every verb of the control socket: a new one is a file here and a line below."""

from collections.abc import Callable
from typing import Any

from etld.control.daemon import Answer, Daemon
from etld.control.verbs import drain, health, logs, metrics, pause, reload, restart, resume, scale, status, stop

Verb = Callable[[Daemon, dict[str, Any]], Answer]

VERBS: dict[str, tuple[Verb, str]] = {
    "status": (status.run, "workers, addresses, totals"),
    "health": (health.run, "live, ready, well, and what is wrong"),
    "metrics": (metrics.run, "Prometheus text for the whole daemon"),
    "logs": (logs.run, "where the log goes, and its last lines"),
    "stop": (stop.run, "end the daemon"),
    "reload": (reload.run, "take the edited configuration"),
    "scale": (scale.run, "change the number of workers"),
    "pause": (pause.run, "let workers stand still"),
    "resume": (resume.run, "let paused workers go on"),
    "restart": (restart.run, "replace workers one by one"),
    "drain": (drain.run, "refuse new events, finish the old"),
}
