"""One fault's run: the load, the blows, the proof that they landed, the time until all flows again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg

from faults.ledger import Ledger, State
from faults.load import Load, Plan
from faults.system import System
from support.waiting import wait_until

PROCESSORS = "etld-processor-"
AGGREGATOR = "etld-aggregator"
CORRECTOR = "etld-corrector"


@dataclass(frozen=True)
class Options:
    """How hard: blows for each fault that is one, seconds for each that lasts, events a second."""

    seed: int = 1
    kills: int = 5
    outage: float = 20.0
    rate: float = 300.0
    minutes: float = 1.0
    batch: int = 1
    days: int = 40


@dataclass
class Run:
    """What a scenario is given."""

    system: System
    options: Options
    rng: random.Random
    ledger: Ledger = field(default_factory=Ledger)
    fired: int = 0
    recoveries: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    #: Events of ledgers that were judged before the end.
    past: Counter[State] = field(default_factory=Counter)

    @contextlib.contextmanager
    def load(self, **plan: Any) -> Iterator[Load]:
        """Events while inside; entered when the first hundred are in the table."""
        given = {"rate": self.options.rate, "batch": self.options.batch, **plan}
        with Load(lambda: self.system.urls, self.ledger, Plan(**given), self.rng.randrange(2**32)) as load:
            self.flowing(100)
            yield load

    def flowing(self, events: int = 50, group: str = PROCESSORS, timeout: float = 60.0) -> None:
        """Return when that many more records were consumed."""
        base = wait_until(lambda: _some(self.system.progress(group)), timeout, "the database answers")[0]
        wait_until(
            lambda: (self.system.progress(group) or 0) >= base + events, timeout, f"{events} events pass", interval=0.1
        )

    def hold(self, seconds: float) -> None:
        """Let the fault last."""
        time.sleep(seconds)

    def expect(self, ok: object, what: str) -> None:
        """A problem of this row unless `ok`."""
        if not ok:
            self.problems.append(what)

    def send(self, pid: int, number: signal.Signals) -> None:
        """Send it, to a process of this system."""
        os.kill(pid, number)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Kill a worker's process; its pid. It fired when another process has taken its place: see replaced()."""
        pid = self.system.pid(name)
        self.send(pid, number)
        return pid

    def replaced(self, name: str, old: int, timeout: float = 60.0) -> None:
        """Wait until the supervisor has another process running for it."""
        wait_until(
            lambda: (w := self.system.worker(name)).get("state") == "running" and w.get("pid") not in (None, old),
            timeout,
            f"{name} is replaced",
            interval=0.05,
        )
        self.fired += 1

    def put_away(self) -> None:
        """What was sent is judged: from here on only what comes now counts."""
        self.system.known |= self.ledger.entries.keys()
        self.past.update(entry.state for entry in self.ledger.entries.values())
        self.ledger.entries.clear()

    def recovered(self, group: str = PROCESSORS, since: float | None = None, timeout: float = 90.0) -> float:
        """Wait until these groups have consumed more than at this moment; seconds since `since`, or since now."""
        since = time.monotonic() if since is None else since
        base = wait_until(lambda: _some(self.system.progress(group)), timeout, "the database answers")[0]
        wait_until(lambda: (self.system.progress(group) or 0) > base, timeout, f"{group} goes on", interval=0.02)
        took = time.monotonic() - since
        self.recoveries.append(took)
        return took

    def accepted_again(self, since: float, timeout: float = 90.0) -> float:
        """Wait until an event sent after `since` is acknowledged; seconds since then."""
        wait_until(lambda: self.ledger.acknowledged_since(since), timeout, "ingest acknowledges again", interval=0.02)
        took = time.monotonic() - since
        self.recoveries.append(took)
        return took

    def blow(self, name: str, group: str) -> None:
        """Kill -9 one consumer under load, and see it replaced and its group go on."""
        began = time.monotonic()
        old = self.kill(name)
        self.replaced(name, old)
        self.recovered(group, since=began)

    @contextlib.contextmanager
    def table_locked(self, mode: str = "SHARE") -> Iterator[None]:
        """Hold a lock on processed_events that writers wait for."""
        with self.system.connection() as conn, conn.transaction():
            conn.execute(f"LOCK TABLE public.processed_events IN {mode} MODE")
            yield

    def writing(self, worker: str, timeout: float = 20.0) -> int:
        """The backend of a worker that waits for the table's lock in the middle of its batch."""

        def waiting() -> int:
            rows = self.system.sql(
                "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
                " AND (query LIKE '%%processed_events%%' OR query LIKE '%%enter_leaves%%')",
                (f"etld {worker}",),
            )
            return int(rows[0][0]) if rows else 0

        return wait_until(waiting, timeout, f"{worker} is in the middle of a batch", interval=0.02)

    def terminate(self, application: str) -> int:
        """End the backends whose application_name is LIKE this; how many."""
        try:
            return len(
                self.system.sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE %s",
                    (application,),
                )
            )
        except psycopg.Error:
            return 0

    def until(self, cond: Callable[[], Any], what: str, timeout: float = 60.0) -> Any:
        """Wait for a condition of the scenario's own."""
        return wait_until(cond, timeout, what, interval=0.1)


def _some(value: int | None) -> tuple[int] | None:
    return None if value is None else (value,)
