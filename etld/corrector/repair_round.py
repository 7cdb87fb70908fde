"""One round of the corrector's work on the table: repair what is new, send, resolve, announce, retire, count."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.deadletters import error_groups, jobs, lifecycle, outcomes
from etld.util.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.config import Config
    from etld.corrector.event_id_move import EventIdMove
    from etld.corrector.repair_breaker import RepairBreaker
    from etld.corrector.sender import LetterSender
    from etld.deadletters.repairer import Repairer
    from etld.deadletters.trials import Trials
    from etld.postgres.connections import Connection

_REPAIR_AT_ONCE, _SEND_AT_ONCE, _PAGE = 200, 500, 1000
# Seconds from one time to the next.
_RETIRE_EVERY, _REVIVE_EVERY, _RESOLVE_EVERY, _MOVE_EVERY, _HOLD_EVERY = 30.0, 10.0, 0.25, 0.25, 5.0
_COUNT_EVERY, _RECOUNT_EVERY, _ADD_UP_EVERY, _JOB_EVERY = 0.5, 10.0, 10.0, 0.4
# Counting may take one part in so many of the time.
_COUNTING_SHARE = 50
# A repair that its processor was seen to have passed so many seconds ago, and that left no trace, was filtered.
_GRACE = 60.0
# So many repairs, or a second's worth, may be on their way to the table; older ones do not count.
_UNDER_WAY, _KEEPS_UP_WITHIN = 1000, 30.0


@dataclass(frozen=True, slots=True)
class RepairSetup:
    """What a configuration makes of the work; `bucket` limits repairs to `rate` a second, None: no limit."""

    config: Config
    repairer: Repairer
    breaker: RepairBreaker
    bucket: TokenBucket | None
    rate: float


def rate_limit(rate: float, now: float) -> TokenBucket | None:
    """`rate` repairs a second, 0: no limit. A tenth of that at once: a replay is a stream beside the live one."""
    return TokenBucket(rate, rate / 10, now) if rate else None


class RepairRound:
    """What is done in a round, and what is remembered from one to the next; `counts` are the letters of the last count.

    `tick` is called between pieces of work, and `ending` breaks long ones off.
    """

    def __init__(
        self,
        sender: LetterSender,
        move: EventIdMove,
        trials: Trials,
        tick: Callable[[], None],
        ending: threading.Event,
    ) -> None:
        self._sender = sender
        self._move = move
        self._trials = trials
        self._tick = tick
        self._ending = ending
        self._due: dict[str, float] = {}
        self._resolve_after = lifecycle.ResolvePage()
        self._all_sent = False
        self._at_job = False
        self._sent_last = 0
        self.close_breaker = threading.Event()
        self.changed = True
        self.cluster_id = ""
        self.counts: dict[tuple[str, bool], int] | None = None

    def run(self, conn: Connection, setup: RepairSetup) -> bool:
        """One round; True when there may be more to do at once."""
        if self.close_breaker.is_set():
            self.close_breaker.clear()
            setup.breaker.reset(conn)
        room = self._room(conn, setup)
        repaired = 0
        if room and self._all_sent:  # what is not sent at once is not repaired yet: by then there may be better rules
            most, window = min(_REPAIR_AT_ONCE, room), setup.config.breaker.window
            repaired = setup.repairer.repair_due(conn, most, window, self._trials)
            self._tick()
        sent = self._send(conn, room, setup) if room else 0
        self._tick()
        announced = self._sender.parked(conn, _SEND_AT_ONCE, self._tick)
        self._tick()
        resolved = self._resolve(conn, setup.config.breaker.window)
        if self._trials.under_way and self._is_due("hold", _HOLD_EVERY):
            setup.repairer.hold(conn, list(self._trials.under_way))
        if self._is_due("retire", _RETIRE_EVERY):
            self._retire(conn, setup.config)
            jobs.remove_old(conn)
        if self._is_due("add up", _ADD_UP_EVERY):
            with conn.transaction(), conn.cursor() as cur:
                error_groups.add_counts_up(cur)
        if self._is_due("revive", _REVIVE_EVERY):
            repaired += setup.repairer.revive(conn)
        if not self._move.over and self._is_due("move", _MOVE_EVERY):
            self._move.step(conn)
        self.changed = self.changed or bool(repaired + sent + announced + resolved)
        self._count(conn)
        return self._job(conn) or bool(repaired or sent or announced == _SEND_AT_ONCE)

    def _job(self, conn: Connection) -> bool:
        """Do a page of what was asked for and nobody does; True when there may be more."""
        if not self._at_job and not self._is_due("job", _JOB_EVERY):
            return False
        self._at_job = jobs.work_on_one_left(conn)
        self.changed = self.changed or self._at_job
        return self._at_job

    def due_soon(self) -> bool:
        """Is something on its way that is looked at often?"""
        if self.counts is None:
            return True
        states = lifecycle.by_state(self.counts)
        return bool(states["repaired"] or states["new"])

    def _room(self, conn: Connection, setup: RepairSetup) -> int:
        """How many repairs may go now: by the rate, while processors keep up and what was sent does not come back."""
        allowed = _SEND_AT_ONCE
        if setup.bucket is not None:
            allowed = min(allowed, int(setup.bucket.available(time.monotonic())))
        wanted = setup.breaker.wants(conn) if allowed > 0 else 0
        if wanted is not None:
            return min(allowed, max(0, wanted - _on_the_way(conn))) if wanted else 0
        # Live events wait in the same topics: these have time.
        full = self._sent_last and _on_the_way(conn) > max(_UNDER_WAY, setup.rate)
        return 0 if full else allowed

    def _send(self, conn: Connection, limit: int, setup: RepairSetup) -> int:
        """How many repairs went."""
        sent = self._sender.repairs(conn, limit, self._tick)
        if setup.bucket is not None:
            setup.bucket.spend(sent)
        self._sent_last = sent
        self._all_sent = sent < limit
        return sent

    def _resolve(self, conn: Connection, window: int) -> int:
        if not self._is_due("resolve", _RESOLVE_EVERY):
            return 0
        total = 0
        while not self._ending.is_set():
            with conn.transaction(), conn.cursor() as cur:
                page = lifecycle.resolve(cur, self.cluster_id, self._resolve_after, _PAGE, _GRACE)
                outcomes.note(cur, window, resolved=page.resolved)
            self._resolve_after = page.next
            total += page.resolved
            self._tick()
            # What is not stored yet is looked at again a while later, page by page.
            if not page.seen or page.next == lifecycle.ResolvePage() or not page.resolved:
                return total
        return total

    def _retire(self, conn: Connection, config: Config) -> None:
        deleted = 1
        while deleted and not self._ending.is_set():
            with conn.transaction(), conn.cursor() as cur:
                keep, parked = config.corrector.keep_resolved, config.storage.dead_letter_retention
                deleted = lifecycle.retire(cur, keep, parked, _PAGE)
            self._tick()

    def _count(self, conn: Connection) -> None:
        """Count again when something changed; the longer it takes, the rarer."""
        if self.counts is not None and not self.changed:
            if self._is_due("recount", _RECOUNT_EVERY):
                self.counts = lifecycle.counts(conn)
            return
        began = time.monotonic()
        if self.counts is None or self._is_due("count", _COUNT_EVERY):
            self.changed = False
            self.counts = lifecycle.counts(conn)
            took = time.monotonic() - began
            self._due["count"] = time.monotonic() + max(1.0, _COUNTING_SHARE * took)

    def _is_due(self, what: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + every
        return True


def _on_the_way(conn: Connection) -> int:
    return lifecycle.under_way(conn, _KEEPS_UP_WITHIN)
