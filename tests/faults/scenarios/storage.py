"""What time does to the table of events: partitions begin and end under load, and old ones go."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta

from faults import clock
from faults.ledger import State
from faults.run import AGGREGATOR, PROCESSORS, Run
from faults.scenarios import fault
from faults.scenarios.machine import ShiftedClock
from faults.system import System

_DAY = 86_400
# Of the machine's clock, before and after midnight.
_BEFORE = 3.0


class Days(ShiftedClock):
    """Its partitions are days, as long as ids are known and events are kept; the clock only goes on."""

    def __init__(self, known: int = 1, kept: int = 2) -> None:
        super().__init__()
        window, retention = f"{known} d", f"{kept} d"
        self._changes |= {
            "storage.partition": "day",
            "storage.dedup_window": window,
            "aggregator.dedup_window": window,
            "storage.retention": retention,
            "storage.dead_letter_retention": retention,
        }

    def heal(self) -> None:
        """Nobody turns days back."""
        System.heal(self)

    def leaves(self) -> list[str]:
        """Names of the partitions, oldest first."""
        return [name for (name,) in self.sql("SELECT name FROM etld.event_partition ORDER BY lower NULLS FIRST")]

    def to_midnight(self, day: int) -> None:
        """A moment before the end of a day, counted from now on."""
        now = datetime.now(UTC)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=day + 1)
        self.clock.shift(int((midnight - now).total_seconds() - _BEFORE))


@fault(
    "partition-bounds",
    "midnight comes and goes between two partitions under load, a processor or the aggregator is killed in it",
    make=Days,
    impossible=clock.missing,
)
def partition_bounds(run: Run) -> None:
    system = run.system
    assert isinstance(system, Days)
    with run.load():
        # No later than the oldest partition lasts: the oracle asks for every row.
        system.to_midnight(0)
        run.flowing(50)
        for name, group in (("processor-purchase-0", f"{PROCESSORS}purchase"), ("aggregator-0", AGGREGATOR)):
            run.hold(_BEFORE / 2)
            run.blow(name, group)
        run.flowing(300)
        run.hold(_BEFORE)
        run.flowing(300)
    written = system.sql(
        "SELECT count(DISTINCT tableoid) FROM processed_events WHERE accepted_at > now() - interval '1 hour'"
    )
    run.expect(written == [(2,)], f"rows of this hour stand in {written[0][0]} partitions, and not in both of its days")


@fault(
    "retention-under-load",
    "the oldest partition is dropped while a reader holds it for a while, under load, and the aggregator is killed",
    make=Days,
    impossible=clock.missing,
)
def retention_under_load(run: Run) -> None:
    system = run.system
    assert isinstance(system, Days)
    with run.load():
        run.flowing(300)
    _report, unsettled = system.quiesce()
    run.problems += unsettled
    # What is about to go is no loss: from here on only what comes now counts.
    there = {one for (one,) in system.sql("SELECT event_id::text FROM processed_events")}
    lost = run.ledger.ids(state=State.ACKNOWLEDGED) - there - _dead(system)
    run.expect(not lost, f"{len(lost)} events were lost before anything expired")
    run.put_away()
    oldest = system.leaves()[0]
    reader = contextlib.ExitStack()
    conn = reader.enter_context(system.connection())
    reader.enter_context(conn.transaction())
    conn.execute(f"SELECT count(*) FROM etld.{oldest}")
    system.clock.shift(4 * _DAY)
    with reader, run.load():
        run.flowing(200)
        run.blow("aggregator-0", AGGREGATOR)
        run.expect(oldest in system.leaves(), f"{oldest} was dropped under a reader")
        reader.close()
        began = time.monotonic()
        run.until(lambda: oldest not in system.leaves(), "the oldest partition is gone")
        run.recoveries.append(time.monotonic() - began)
        run.fired += 1
        run.flowing(200)
    counted = system.sql("SELECT coalesce(sum(expired), 0)::int FROM etld.removed_event")[0][0]
    run.expect(counted == len(there), f"{counted} events are counted as expired, and {len(there)} are gone")


def _dead(system: System) -> set[str]:
    return {one for (one,) in system.sql("SELECT event_id::text FROM etld.dead_letter WHERE event_id IS NOT NULL")}
