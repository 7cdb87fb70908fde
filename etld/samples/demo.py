"""The demo of `make run`: what became of the sample events that were sent, as far as anybody can see it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.errors import EtldError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from etld.config import Config
    from etld.postgres.connections import Connection

_PATIENCE = 60.0
#: The queries that a new user runs first: rows by column.
_ROWS = {
    "event_type": "SELECT event_type, count(*) FROM processed_events GROUP BY 1 ORDER BY 1",
    "event_name": "SELECT event_name, count(*) FROM processed_events GROUP BY 1 ORDER BY 1",
}
_STORED = "SELECT count(*) FROM processed_events"
# What became of events that are no rows: a letter that is repaired or resent will be one, or a letter again.
_LETTERS = "SELECT count(*) FROM etld.dead_letter WHERE state IN ('new', 'parked', 'discarded')"
_FILTERED = "SELECT coalesce(sum(filtered), 0) FROM etld.kafka_position WHERE consumer_group LIKE 'etld-processor-%'"


@dataclass(frozen=True, slots=True)
class DemoCounts:
    """How many events have arrived where they stay: in the table, among the dead letters, or filtered out."""

    stored: int
    dead: int = 0
    filtered: int = 0

    @property
    def all(self) -> int:
        """All of them."""
        return self.stored + self.dead + self.filtered

    def since(self, before: DemoCounts) -> DemoCounts:
        """Those that were not there before; letters may have become rows meanwhile."""
        return DemoCounts(self.stored - before.stored, max(0, self.dead - before.dead), self.filtered - before.filtered)

    def __str__(self) -> str:
        dead = f", {self.dead:,} dead letters" if self.dead else ""
        filtered = f", {self.filtered:,} filtered" if self.filtered else ""
        return f"{self.stored:,} stored{dead}{filtered}"


@dataclass(frozen=True)
class Demo:
    """A daemon that sample events go through; `workers` gives what `etld status` says of its workers."""

    config: Config
    conn: Connection
    workers: Callable[[], list[dict[str, Any]]]

    def arrivals(self) -> DemoCounts:
        """What has become of all events until now."""
        counts = [self.conn.execute(query).fetchall()[0][0] for query in (_STORED, _LETTERS, _FILTERED)]
        return DemoCounts(*map(int, counts))

    def rows(self) -> dict[str, list[tuple[str, int]]]:
        """Rows of the table by event type, then by event name."""
        return {column: self.conn.execute(query).fetchall() for column, query in _ROWS.items()}

    def lag(self) -> int:
        """Events that the aggregator has not summed up yet; 1 when it does not say."""
        lags = [worker["lag"] for worker in self.workers() if worker["kind"] == "aggregator"]
        return sum(1 if lag is None else int(lag) for lag in lags)

    def await_sums(self, before: DemoCounts, count: int) -> DemoCounts:
        """Wait until `count` more events have arrived and are summed up; raises EtldError.

        One that is dead has arrived too, and will not be a row however long one waits.
        """
        wait(
            lambda: self.arrivals().since(before).all >= count,
            "the events are stored",
            lambda: f"{self.arrivals().since(before)} of {count:,}",
        )
        wait(lambda: self.lag() == 0, "the events are summed up", lambda: f"lag {self.lag()}")
        return self.arrivals().since(before)

    def await_charts(self, sent: float, summed: float) -> list[Path]:
        """The newest picture of each chart, once drawn from all that was sent; times since the epoch. Raises EtldError.

        Idle drawing comes after the sums are complete; a drawing that was due for another reason may
        have come between the last event and our look at the sums, and then no other follows.
        """
        folder = self.config.charts.dir
        names = [summary.chart.name for summary in self.config.summaries.values() if summary.chart]
        latest = [folder / f"{name}_latest.png" for name in names]
        settled = summed + self.config.charts.idle + 5.0

        def drawn() -> bool:
            times = [path.stat().st_mtime if path.exists() else 0.0 for path in latest]
            return all(when > (sent if time.time() > settled else summed) for when in times)

        wait(drawn, "the charts are drawn", lambda: str(folder))
        return [max(folder.glob(f"{name}_[0-9]*_[0-9]*.png")) for name in names]


def wait(cond: Callable[[], bool], what: str, state: Callable[[], str]) -> None:
    """Return once `cond` is true; after a minute raise EtldError with what was awaited and how far it is."""
    until = time.monotonic() + _PATIENCE
    while not cond():
        if time.monotonic() > until:
            raise EtldError(
                f"after {_PATIENCE:.0f} s still waiting until {what} ({state()}); see `etld status`", code="ETLD-X009"
            )
        time.sleep(0.1)
