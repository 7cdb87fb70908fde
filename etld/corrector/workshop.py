"""The corrector's work on the table: repair what is new, send, resolve, announce, retire.

It runs in a thread of its own with a connection of its own, beside the loop that reads the queue; several
workers share the rows by FOR UPDATE SKIP LOCKED. Nothing is kept in memory: a worker that dies leaves the
table as of its last commit, and the next one goes on from there.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from etld.corrector.breaker import Breaker
from etld.corrector.pace import Crowd, Pace
from etld.corrector.post import Post
from etld.deadletters import catalog as catalogs
from etld.deadletters import lifecycle, outcomes
from etld.deadletters.repairer import Bench
from etld.deadletters.rules.engine import compile_rules
from etld.deadletters.rules.steps.base import Mistake
from etld.errors import EtldError
from etld.postgres.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.config import Config
    from etld.postgres.connections import Connection
    from etld.schemas.event_schema import EventSchema

log = logging.getLogger("etld.corrector")

_AT_ONCE = 200
_REST = 0.5
_PATIENCE_AFTER_ERROR = 1.0
_RETIRE_EVERY, _REVIVE_EVERY, _RESOLVE_EVERY = 30.0, 10.0, 0.25
# A repair that its processor was seen to have passed this long ago, and that left no trace, was filtered.
_GRACE = 60.0
_STUCK = 120.0
_SEND_AT_ONCE = 500
# So many repairs, or a second's worth, may be on their way to the table; older ones do not count.
_UNDER_WAY, _KEEPS_UP_WITHIN = 1000, 30.0
# Where live traffic takes all processors, a low priority still takes a share of them, and of PostgreSQL's: rest so
# many times as long as a processor was waited for, and at most so many seconds.
_GIVE_WAY, _LONGEST_REST = 6.0, 3.0


class Workshop:
    """The thread. `counts` is the last count of letters, `problem` what stands in the way (None: nothing)."""

    def __init__(
        self,
        config: Config,
        connect: Callable[[], Connection],
        post: Post,
        schema_for: Callable[[int], EventSchema],
    ) -> None:
        self._connect = connect
        self._post = post
        self._schema_for = schema_for
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._config = config
        self._due: dict[str, float] = {}
        self._page = lifecycle.Page()
        self._pace = Pace(0)
        self._breaker = Breaker(config.breaker)
        self._anew = threading.Event()
        self._changed = True
        self._hungry = False
        self._sent_last = 0
        self._ticked = time.monotonic()
        self.cluster_id = ""
        self.paused = False
        self._at_work = False
        self.counts: dict[tuple[str, bool], int] | None = None
        self.problem: str | None = None
        self.bench = self._equip(config)
        self._thread = threading.Thread(target=self._run, name="workshop", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def reload(self, config: Config) -> None:
        """Work by the rules of another configuration from the next letter on; raises `EtldError`."""
        self.bench = self._equip(config)
        self._config = config
        self._breaker = Breaker(config.breaker)
        self.close_breaker()

    def close_breaker(self) -> None:
        """Somebody changed something: send repairs again."""
        self._anew.set()
        self._wake.set()

    @property
    def held(self) -> str | None:
        """Why no repair is sent, though all works; None when they are."""
        return self._breaker.text

    def arrived(self) -> None:
        """There are new letters."""
        self._changed = True
        self._wake.set()

    def type_of_topic(self, topic: str | None) -> str | None:
        """The event type of a topic."""
        return self.bench.catalog.of_topic(topic)

    def alive(self) -> bool:
        """Is it at work, and not stuck in one piece of it?"""
        return self._thread.is_alive() and time.monotonic() - self._ticked < _STUCK

    @property
    def resting(self) -> bool:
        """Is it paused, with nothing in hand?"""
        return self.paused and not self._at_work

    def stop(self, timeout: float) -> None:
        """Finish the piece in hand; gives up waiting after `timeout` seconds."""
        self._ending.set()
        self._wake.set()
        self._thread.join(timeout)

    def tick(self) -> None:
        """A sign of life from within a long piece of work."""
        self._ticked = time.monotonic()

    def _equip(self, config: Config) -> Bench:
        try:
            rules = compile_rules(config.corrector.rules)
        except Mistake as mistake:
            where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in mistake.path)
            raise EtldError(f"corrector.rules{where}: {mistake.message}") from mistake
        self._pace = Pace(config.corrector.rate / max(1, config.corrector.workers))
        return Bench(rules, catalogs.load(config), self._schema_for)

    def _run(self) -> None:
        # Live traffic first: on Linux each thread has a priority of its own.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        crowd = Crowd()
        conn: Connection | None = None
        while not self._ending.is_set():
            self._wake.clear()
            self.tick()
            try:
                if conn is None or conn.closed:
                    conn = self._connect()
                self._at_work = True  # before the look at `paused`: see resting
                busy = not self.paused and self._round(conn)
                self._at_work = False
                self._say(None)
                rest = 0.0 if busy else 0.05 if self._due_soon() else _REST
                self._ending.wait(min(_LONGEST_REST, _GIVE_WAY * crowd.waited()))
            except (DatabaseError, EtldError) as error:
                self._say(" ".join(str(error).split()))
                if isinstance(error, DatabaseError) and conn is not None:
                    conn.close()
                rest = _PATIENCE_AFTER_ERROR
                self._ending.wait(rest)
            except Exception:
                log.exception("a piece of work failed, trying again")
                self._say("a piece of work failed; the log says which")
                self._ending.wait(_PATIENCE_AFTER_ERROR)
                rest = 0.0
            self._wake.wait(rest)
        if conn is not None:
            conn.close()

    def _round(self, conn: Connection) -> bool:
        """One turn; True when there may be more at once."""
        if self._anew.is_set():
            self._anew.clear()
            self._breaker.reset(conn)
        room, window = self._room(conn), self._config.breaker.window
        # What is not sent at once is not repaired yet: by then there may be better rules.
        mended = self.bench.mend(conn, min(_AT_ONCE, room), window) if room and self._hungry else 0
        self.tick()
        sent = self._send(conn, room) if room else 0
        self.tick()
        announced = self._post.parked(conn, _SEND_AT_ONCE)
        self.tick()
        resolved = self._resolve(conn)
        if self._is_due("retire", _RETIRE_EVERY):
            self._retire(conn)
        if self._is_due("revive", _REVIVE_EVERY):
            mended += self.bench.revive(conn)
        done = mended + sent + announced + resolved
        self._changed = self._changed or bool(done)
        self._count(conn)
        return bool(mended or sent or announced == _SEND_AT_ONCE)

    def _room(self, conn: Connection) -> int:
        """How many repairs may go now: by the rate, while processors keep up and what was sent does not come back."""
        allowed = self._pace.allowed(time.monotonic(), _SEND_AT_ONCE)
        wanted = self._breaker.wants(conn) if allowed else 0
        if wanted is not None:
            return min(allowed, max(0, wanted - self._on_the_way(conn))) if wanted else 0
        # Live events wait in the same topics: these have time.
        full = self._sent_last and self._on_the_way(conn) > max(_UNDER_WAY, self._pace.rate)
        return 0 if full else allowed

    def _on_the_way(self, conn: Connection) -> int:
        return lifecycle.under_way(conn, _KEEPS_UP_WITHIN)

    def _send(self, conn: Connection, limit: int) -> int:
        """How many repairs went."""
        sent = self._post.repairs(conn, limit)
        self._pace.spend(sent)
        self._sent_last = sent
        # More is repaired when nothing that is repaired waits any longer.
        self._hungry = sent < limit
        return sent

    def _resolve(self, conn: Connection) -> int:
        if not self._is_due("resolve", _RESOLVE_EVERY):
            return 0
        total = 0
        while not self._ending.is_set():
            with conn.transaction(), conn.cursor() as cur:
                seen, resolved, self._page = lifecycle.resolve(cur, self.cluster_id, self._page, 1000, _GRACE)
                outcomes.note(cur, self._config.breaker.window, resolved=resolved)
            total += resolved
            self.tick()
            # What is not stored yet is looked at again a while later, page by page.
            if not seen or self._page == lifecycle.Page() or not resolved:
                return total
        return total

    def _retire(self, conn: Connection) -> None:
        deleted = 1
        while deleted and not self._ending.is_set():
            with conn.transaction(), conn.cursor() as cur:
                deleted = lifecycle.retire(cur, self._config.corrector.keep_resolved, 1000)
            self.tick()

    def _count(self, conn: Connection) -> None:
        """Count again when something changed; the longer it takes, the rarer."""
        if self.counts is not None and not self._changed:
            if self._is_due("recount", 10.0):
                self.counts = lifecycle.counts(conn)
            return
        began = time.monotonic()
        if self.counts is None or self._is_due("count", 0.5):
            self._changed = False
            self.counts = lifecycle.counts(conn)
            took = time.monotonic() - began
            self._due["count"] = time.monotonic() + max(1.0, 50 * took)

    def _is_due(self, what: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + every
        return True

    def _due_soon(self) -> bool:
        """Is something on its way that is looked at often?"""
        if self.held:
            return False
        if self.counts is None:
            return True
        states = lifecycle.by_state(self.counts)
        return bool(states["repaired"] or states["new"])

    def _say(self, problem: str | None) -> None:
        if problem != self.problem:
            if problem:
                log.warning("%s; trying again", problem)
            self.problem = problem
