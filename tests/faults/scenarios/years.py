"""Weeks in minutes: every day brings events and kills, ids come again, and what is old goes."""

from __future__ import annotations

import functools
import itertools
import json
import urllib.error
import urllib.request
from collections import Counter
from datetime import UTC, datetime, timedelta

from faults import clock
from faults.oracle import judge
from faults.run import PROCESSORS, Run
from faults.scenarios import fault
from faults.scenarios.storage import Days
from support.events import event
from support.ids import KINDS, id_at

_HOUR, _DAY = 3600, 86_400
_WINDOW, _KEPT = 2, 7
#: Events a second, how many come in a request, and how many records a day has at least.
_RATE, _BATCH, _RECORDS = 2000, 50, 10_000
_OF_A_KIND = 20
#: Rows of today and yesterday: whatever one load brought. They come from 11 to 13 o'clock.
_JUDGED = timedelta(hours=26)
_OLD_PARTITIONS = (
    "SELECT count(*)::int FROM etld.event_partition"
    f" WHERE upper <= now() - interval '{_KEPT} days' AND name <> 'processed_events_late'"
)
_STORED = "SELECT sum(stored)::bigint FROM etld.kafka_position WHERE consumer_group LIKE 'etld-processor-%'"
_EXPIRED = "SELECT sum(expired)::bigint FROM etld.removed_event"


class Calendar:
    """Noon of a day, and some hours more or less, by the clock of the system; and the ids that come again."""

    def __init__(self, run: Run) -> None:
        assert isinstance(run.system, Days)
        self._run = run
        self._clock = run.system.clock
        tomorrow = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=1)
        self._noon = int((tomorrow - datetime.now(UTC)).total_seconds())
        self._ahead = 0
        self.ids: dict[int, list[str]] = {}

    @property
    def now(self) -> datetime:
        """What the system takes for now."""
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def turn(self, day: int, hours: int = 0) -> None:
        """So late it is."""
        self._ahead = self._noon + day * _DAY + hours * _HOUR
        self._clock.shift(self._ahead)

    def mark(self, day: int) -> None:
        """Send events with ids of every kind for the first time."""
        self.ids[day] = [id_at(kind, self.now) for kind in KINDS for _ in range(_OF_A_KIND)]
        self._run.system.known |= set(self.ids[day])
        self.send(day)

    def send(self, day: int) -> None:
        """Send the ids of a day, if it was; until they are acknowledged, for a worker may just be killed."""
        batch = [event(event_id=one) for one in self.ids.get(day, ())]
        if batch:
            self._run.until(lambda: self._sent(batch), f"the ids of day {day} are taken")

    def _sent(self, batch: list[dict[str, object]]) -> bool:
        body, kind = json.dumps({"batch": batch}).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._run.system.daemon.http}/v1/batch", body, kind)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@fault(
    "forty-days",
    "40 days at 2,000 events/s, a kill each: ids come again within the window and after it, partitions come and go",
    make=functools.partial(Days, _WINDOW, _KEPT),
    impossible=clock.missing,
)
def forty_days(run: Run) -> None:
    system, calendar = run.system, Calendar(run)
    victims = itertools.cycle(system.names(""))
    partitions: set[str] = set()
    assert isinstance(system, Days)
    calendar.turn(0, -1)
    for day in range(run.options.days):
        with run.load(rate=_RATE, batch=_BATCH):
            calendar.turn(day, -1)
            calendar.send(day - 2)  # 47 hours later
            run.flowing(_RECORDS // 3)
            calendar.turn(day)
            calendar.mark(day)
            calendar.send(day - 1)
            calendar.send(day - 3)
            run.blow(next(victims), PROCESSORS)
            run.flowing(_RECORDS // 3, timeout=120)
            calendar.turn(day, 1)
            calendar.send(day)
            run.flowing(_RECORDS // 3, timeout=120)
        before = len(run.problems)
        _settle(run, calendar, day)
        partitions |= set(system.leaves())
        run.problems[before:] = [f"day {day}: {problem}" for problem in run.problems[before:]]
        if run.problems:
            return
    calendar.turn(run.options.days + 2 * _KEPT)
    run.until(lambda: system.sql("SELECT count(*) FROM processed_events") == [(0,)], "every event is gone", 120)
    run.until(lambda: system.sql("SELECT count(*) FROM etld.dead_letter") == [(0,)], "every letter is gone", 120)
    counted, stored = system.sql(_EXPIRED)[0][0], system.sql(_STORED)[0][0]
    run.expect(counted == stored, f"{counted} events are counted as expired, and {stored} were stored")
    gone = partitions - set(system.leaves())
    run.expect(len(gone) >= run.options.days, f"of {len(partitions)} partitions {len(gone)} are gone")


def _settle(run: Run, calendar: Calendar, day: int) -> None:
    """The end of a day: all agree, each event of it is there once, and ids came again as they should."""
    system = run.system
    run.until(lambda: system.sql(_OLD_PARTITIONS) == [(0,)], "old partitions are gone", 120)
    _report, unsettled = system.quiesce()
    run.problems += unsettled
    with system.connection() as conn:
        verdict = judge(conn, run.ledger, system.known | run.ledger.entries.keys(), since=calendar.now - _JUDGED)
    run.problems += verdict.problems
    for other in range(max(0, day - _KEPT + 1), day + 1):
        ids = calendar.ids[other]
        query = "SELECT event_id::text, count(*)::int FROM processed_events WHERE event_id = ANY(%s::uuid[]) GROUP BY 1"
        found = Counter(dict(system.sql(query, (ids,))).values())
        times = 1 if day - other <= _WINDOW else 2
        run.expect(found == {times: len(ids)}, f"ids of day {other} are there so often: {dict(found)}, not {times}")
    run.put_away()
