"""Anything dies, at any moment, for as long as is asked."""

from __future__ import annotations

import signal
import time

from faults.run import Run
from faults.scenarios import fault
from faults.system import System

_SERVERS = ("embedded-kafka", "embedded-postgres")


def _embedded() -> System:
    return System({"supervisor.max_failures": 1000}, external=False)


@fault("random-kills", "kill -9 of any worker, the broker and the database, for --minutes", make=_embedded)
def random_kills(run: Run) -> None:
    system = run.system
    until = time.monotonic() + 60 * run.options.minutes
    with run.load(batch=max(run.options.batch, int(run.options.rate // 50))):
        while time.monotonic() < until:
            workers = [one["name"] for one in system.status().get("workers", [])]
            victims = [name for name in workers if name.startswith(("ingest", "processor", "aggregator", "corrector"))]
            victim = run.rng.choice([*victims, *_SERVERS])
            began = time.monotonic()
            # The server itself, so that its worker has to find out and say so.
            pid = system.server_pid(victim) if victim in _SERVERS else system.pid(victim)
            run.send(pid, signal.SIGKILL)
            run.fired += 1
            if victim in _SERVERS:
                run.until(lambda v=victim, pid=pid: system.server_pid(v) != pid, f"{victim} is started again", 90)
                run.recovered(since=began)
            else:
                run.until(lambda v=victim, pid=pid: system.pid(v) != pid, f"{victim} is replaced", 90)
                if not victim.startswith(("corrector", "aggregator")):
                    run.recovered(since=began)
            run.hold(run.rng.uniform(0.2, 4.0))
