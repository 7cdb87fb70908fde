"""The broker dies, freezes, and loses nothing."""

from __future__ import annotations

import signal
import time

from faults.ledger import State
from faults.run import Run
from faults.scenarios import fault


@fault("kill-broker", "kill -9 Kafka under load")
def kill_broker(run: Run) -> None:
    system = run.system
    with run.load():
        for _ in range(max(1, run.options.kills // 2)):
            began = time.monotonic()
            old = system.server_pid("embedded-kafka")
            run.send(old, signal.SIGKILL)
            run.until(lambda old=old: system.server_pid("embedded-kafka") != old, "Kafka is started again")
            run.fired += 1
            run.accepted_again(began)
            run.recovered(since=began)


@fault("freeze-broker", "SIGSTOP Kafka, then SIGCONT")
def freeze_broker(run: Run) -> None:
    with run.load():
        before = run.ledger.count(State.UNAVAILABLE) + run.ledger.unanswered()
        pid = run.system.server_pid("embedded-kafka")
        run.send(pid, signal.SIGSTOP)
        run.hold(run.options.outage)
        refused = run.ledger.count(State.UNAVAILABLE) + run.ledger.unanswered() - before
        run.send(pid, signal.SIGCONT)
        healed = time.monotonic()
        run.fired += bool(refused)
        run.accepted_again(healed)
        run.recovered(since=healed)
