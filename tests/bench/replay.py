"""What a replay of parked events costs live traffic."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from bench.client import drive, request
from bench.environment import Daemon, Environment, open_database
from bench.front import IN_BATCH, _plain
from bench.result import Result
from support.waiting import wait_until

_PARK = """
INSERT INTO etld.dead_letter (id, event_id, event_type, state, stage, error_class, error, value, announced)
SELECT gen_random_uuid(), e::uuid, 'purchase', 'parked', 'VALIDATION', 'InvalidEvent', 'price as text',
    convert_to(jsonb_set(%(event)s::jsonb, '{event_id}', to_jsonb(e))::text, 'UTF8'), true
FROM (SELECT gen_random_uuid()::text AS e FROM generate_series(1, %(count)s)) made
"""
_LIVE = "SELECT count(*) FROM processed_events WHERE event_details ->> 'item_name' <> 'replayed'"
# By the index: the look costs the live traffic beside it, too.
_LEFT = "SELECT count(*) FROM etld.dead_letter WHERE state IN ('parked', 'new', 'repaired', 'resent')"
# A replay that takes longer does not end.
_PATIENCE = 1800.0


def _broken() -> str:
    one = _plain(1)
    one["event_details"] |= {"item_name": "replayed", "price": "12.50"}
    return json.dumps(one)


class LiveEvents:
    """Batches of live events, each with ids of its own: `events` of them, and more for as long as `lasts`."""

    def __init__(self, events: int, lasts: Callable[[], bool]) -> None:
        self.sent = 0
        self._events = events
        self._lasts = lasts

    def __iter__(self) -> Iterator[bytes]:
        while self.sent < self._events or self._lasts():
            batch = [_plain(self.sent + at) | {"event_id": str(uuid.uuid4())} for at in range(IN_BATCH)]
            self.sent += IN_BATCH
            yield request("/v1/batch", json.dumps({"batch": batch}).encode())


def rate_of(daemon: Daemon, events: LiveEvents, stored: Callable[[], int]) -> float:
    """Events a second from HTTP to the table, as fast as it goes; `stored`: how many are there."""
    began = time.monotonic()
    load = drive(daemon.http, iter(events), 8)
    if load.failures:
        raise RuntimeError(f"{load.failures} of {load.answers} batches were not accepted")
    wait_until(lambda: stored() >= events.sent, 300, "the live events are stored", 0.1)
    return events.sent / (time.monotonic() - began)


class _Replay:
    """`etld dlq replay` and what the corrector makes of it, looked at once a second at most."""

    def __init__(self, daemon: Daemon, left: Callable[[], int]) -> None:
        self._left = left
        self._next = 0.0
        self._began = time.monotonic()
        self.seconds = 0.0
        self._command = daemon.begin("dlq", "replay", "--state", "parked", "--yes")

    def lasts(self) -> bool:
        """Is a letter not resolved yet?"""
        if not self.seconds and time.monotonic() >= self._next:
            self._next = time.monotonic() + 1.0
            if time.monotonic() - self._began > _PATIENCE:
                raise TimeoutError(f"the replay is not over after {_PATIENCE:.0f} s")
            if self._command.poll():
                raise RuntimeError("etld dlq replay failed")
            if self._command.returncode is not None and not self._left():
                self.seconds = time.monotonic() - self._began
        return not self.seconds


def replay(environment: Environment, name: str) -> Result:
    """Events a second from HTTP to the table while 100,000 parked events are replayed; reference: without.

    The 100,000 go in as many parts as there are pairs. The live load begins with the command and lasts until the
    last letter is resolved; alone it lasts as long. `replay_s` is a part's time.
    """
    letters, events = (2_000, 10_000) if environment.quick else (100_000 // environment.pairs, 100_000)
    database = environment.database()
    roles = {"ingest.workers": 1, "event_types.purchase.workers": 1, "corrector.workers": 1}
    result = Result(name, "events/s", [], [], "the same without a replay")
    done: list[int] = []
    took: list[float] = []

    with environment.daemon(environment.config(database, **roles)) as daemon, open_database(database) as conn:

        def count(query: str) -> int:
            row = conn.execute(query.encode()).fetchone()
            return int(row[0]) if row else 0

        def live(lasts: Callable[[], bool]) -> float:
            return rate_of(daemon, LiveEvents(events, lasts), lambda: count(_LIVE))

        def clear() -> None:
            conn.execute("DELETE FROM etld.dead_letter")
            conn.execute("TRUNCATE processed_events")

        live(lambda: False)
        # Other benchmarks of this run left their letters in the queue.
        wait_until(lambda: daemon.workers()["corrector-0"]["lag"] == 0, 300, "the corrector has read the queue", 1.0)
        for _ in range(environment.pairs):
            clear()
            parameters: dict[str, Any] = {"event": _broken(), "count": letters}
            conn.execute(_PARK, parameters)
            under_way = _Replay(daemon, lambda: count(_LEFT))
            result.values.append(live(under_way.lasts))
            took.append(under_way.seconds)
            done.append(letters - count(_LEFT))
            clear()
            until = time.monotonic() + under_way.seconds
            result.reference.append(live(lambda until=until: time.monotonic() < until))  # type: ignore[misc]
    result.extra["replayed_meanwhile"] = sorted(done)[len(done) // 2]
    result.extra["replay_s"] = round(sorted(took)[len(took) // 2], 1)
    return result


BENCHES = {"replay": replay}
