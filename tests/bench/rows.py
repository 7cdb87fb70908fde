"""What is in the table already, and what comes again: rows of years, and clients' retries."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

from bench.environment import Environment, open_database
from bench.flow import GROUP, Backlog
from bench.result import Result
from etld.sinks.postgres.deduplication.builder import FilterBuilder
from etld.sinks.postgres.partitions import periods, takeover
from support.leaves import cut

_ONE = {"event_types.purchase.workers": 1}
_DAYS = {"storage.partition": "day", "storage.dedup_window": "2 d"}
_DAY = dt.timedelta(days=1)


class Stocked(Backlog):
    """A backlog whose table holds old rows all the time: by day in two partitions of the window, or in one table."""

    def __init__(self, environment: Environment, count: int, rows: int, *, partitioned: bool) -> None:
        super().__init__(environment, count)
        self._changes: dict[str, Any] = _DAYS if partitioned else {"storage.partition": "none"}
        self._now: list[str] = []
        self._filters: Path | None = None
        today = periods.floor("day", dt.datetime.now(dt.UTC))
        with open_database(self.database) as conn:
            if partitioned:
                takeover.ensure(conn, "day")
                self._now = [f"etld.{cut(conn, 2)[-1]}"]
                old = [today - 2 * _DAY, today - _DAY]
            else:
                old = [today]
        for accepted in old:
            self.stock(rows // len(old), accepted)
        with open_database(self.database) as conn:
            if partitioned:
                # As if the rows had been written by etld.
                conn.execute("UPDATE etld.event_partition SET version = 1 WHERE lower IS NULL OR lower <= %s", (today,))
                self._filters = environment.directory / f"filters-{self.topic}"
                FilterBuilder(self._filters, 2 * _DAY.total_seconds(), lambda _: True, stable=0.0).run(conn)

    def empty(self, conn: Any) -> None:
        """Only what the last run brought."""
        if self._now:
            conn.execute(f"TRUNCATE {', '.join(self._now)}")
        else:
            super().empty(conn)

    def run(self, group: str, **changes: Any) -> tuple[float, float, float]:
        """As of any backlog; the filters are there from the start."""
        return super().run(group, **{**self._changes, **changes})

    def prepare(self, config: Path) -> None:
        """Give the daemon the filters."""
        if self._filters is not None:
            shutil.copytree(self._filters, config.parent / "var" / "filters")


def growth(environment: Environment, name: str) -> Result:
    """How the rate changes with the rows that are there, half of them of each of the last two days."""
    _, what, value = name.split("-")
    rows = int(value) // 1000 if environment.quick else int(value)
    count = min(environment.events, 200_000)
    plain = Backlog(environment, count)
    other = Stocked(environment, count, rows, partitioned=what == "rows")
    return _measured(environment, Result(name, "events/s", [], [], "empty table"), plain, other)


def retries(environment: Environment, name: str) -> Result:
    """What it costs that 5 % of the events come twice."""
    count = min(environment.events, 200_000)
    plain, other = Backlog(environment, count), Backlog(environment, count, twice_every=20)
    return _measured(environment, Result(name, "events/s", [], [], "each event comes once"), plain, other)


def _measured(environment: Environment, result: Result, plain: Backlog, other: Backlog) -> Result:
    peaks, costs = [], []
    for _ in range(min(environment.pairs, 3)):
        result.reference.append(plain.run(GROUP, **_ONE)[0])
        rate, cpu, peak = other.run(GROUP, **_ONE)
        result.values.append(rate)
        costs.append(cpu)
        peaks.append(peak)
    result.cpu_us, result.peak_mb = sorted(costs)[len(costs) // 2], max(peaks)
    return result


BENCHES = {
    **{f"growth-rows-{n}": growth for n in (1_000_000, 10_000_000, 30_000_000)},
    **{f"growth-unpartitioned-{n}": growth for n in (10_000_000, 30_000_000)},
    "retries": retries,
}
