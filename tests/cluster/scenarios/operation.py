"""What operators do to a cluster while it works."""

from __future__ import annotations

import time

from cluster.scenarios import fault
from cluster.watch import everywhere, system_of
from faults.run import Run


@fault("rolling-restart", "each host in turn is stopped and started, as for an upgrade")
def rolling_restart(run: Run) -> None:
    system = system_of(run)
    with run.load():
        for host in system.hosts:
            began = time.monotonic()
            host.leave()
            everywhere(run, began)
            run.expect(not host.runs(), f"{host.name} is stopped, and something of it runs")
            host.start()
            run.flowing(100)
            run.fired += 1
