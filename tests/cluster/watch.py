"""How long work stands still: of every partition, whoever has it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from cluster.system import ClusterSystem, Part
from faults.run import Run
from support.waiting import wait_until

_EVERY = 0.1


def system_of(run: Run) -> ClusterSystem:
    """The cluster that a run hurts."""
    assert isinstance(run.system, ClusterSystem)
    return run.system


def everywhere(run: Run, since: float, timeout: float = 90.0) -> float:
    """Wait until every partition goes on from where it is now; seconds since `since`, a recovery of the run."""
    system = system_of(run)
    base = wait_until(system.positions, timeout, "the database answers")

    def behind() -> list[Part]:
        now = system.positions()
        return [one for one in base if now.get(one, -1) <= base[one]]

    wait_until(lambda: not behind(), timeout, f"all go on, of which {len(base)} stood", interval=0.05)
    took = time.monotonic() - since
    run.recoveries.append(took)
    return took


@dataclass
class Pauses:
    """The longest time that each partition stood still, in seconds, as the database tells it every 0.1 s."""

    longest: dict[Part, float] = field(default_factory=dict)

    def of(self, parts: set[Part]) -> float:
        """The longest of these."""
        return max((seconds for part, seconds in self.longest.items() if part in parts), default=0.0)


@contextlib.contextmanager
def watching(system: ClusterSystem) -> Iterator[Pauses]:
    """Look at all partitions while inside; the load has to give every one of them work."""
    found, stop = Pauses(), threading.Event()

    def look() -> None:
        last: dict[Part, tuple[int, float]] = {}
        while not stop.wait(_EVERY):
            now = time.monotonic()
            for part, offset in system.positions().items():
                before, at = last.setdefault(part, (offset, now))
                found.longest[part] = max(found.longest.get(part, 0.0), now - at)
                if offset > before:
                    last[part] = (offset, now)

    thread = threading.Thread(target=look, name="pauses", daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join(30)


def owned(system: ClusterSystem, host: str) -> set[Part]:
    """The partitions whose owner is a worker of a host."""
    rows = system.sql(
        "SELECT consumer_group, topic, partition FROM etld.kafka_position"
        " WHERE owner LIKE %s AND consumer_group NOT LIKE '%%corrector'",
        (f"{host}/%",),
    )
    return {(group, topic, part) for group, topic, part in rows}
