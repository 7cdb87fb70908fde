"""The thread in which the corrector works on the table, beside the loop that reads the queue.

It has a connection of its own; several workers share the rows by FOR UPDATE SKIP LOCKED. Nothing is kept in memory:
a worker that dies leaves the table as of its last commit, and the next one goes on from there.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from etld.corrector.cpu_pressure import CpuPressure
from etld.corrector.repair_breaker import RepairBreaker
from etld.corrector.repair_round import RepairRound, RepairSetup, rate_limit
from etld.deadletters.repair_types import RepairTypes
from etld.deadletters.repairer import Repairer
from etld.deadletters.rules.engine import compile_rules
from etld.deadletters.rules.steps.base import RuleError
from etld.errors import EtldError
from etld.postgres.errors import DatabaseError
from etld.schemas import catalog
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.config import Config
    from etld.corrector.event_id_move import EventIdMove
    from etld.corrector.letter_trials import LetterTrials
    from etld.corrector.sender import LetterSender
    from etld.postgres.connections import Connection
    from etld.schemas.registry import SchemaCache

log = logging.getLogger("etld.corrector")

_REST, _SHORT_REST = 0.5, 0.05
_REST_AFTER_ERROR = 1.0
# A piece of work that gives no sign of life for so long is stuck.
_STUCK = 120.0
# Where live traffic takes all processors, a low priority still takes a share of them, and of PostgreSQL's: rest so
# many times as long as a processor was waited for, and at most so many seconds.
_GIVE_WAY, _LONGEST_REST = 6.0, 3.0


class RepairLoop:
    """The thread. `problem` is what stands in its way (None: nothing)."""

    def __init__(
        self,
        config: Config,
        connect: Callable[[], Connection],
        sender: LetterSender,
        open_schemas: Callable[[Callable[[], None]], SchemaCache],
        move: EventIdMove,
        trials: LetterTrials,
    ) -> None:
        self._connect = connect
        self._schemas = open_schemas(self.tick)
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._ticked = time.monotonic()
        self._setup = self._set_up(config)
        self.trials = trials
        self.round = RepairRound(sender, move, trials, self.tick, self._ending)
        self.paused = False
        self._at_work = False
        self.problem: str | None = None
        self._thread = threading.Thread(target=self._run, name="repairs", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Finish the piece in hand; gives up waiting after `timeout` seconds."""
        self._ending.set()
        self._wake.set()
        self.trials.close()
        self._thread.join(timeout)

    def reload(self, config: Config) -> None:
        """Work by the rules of another configuration from the next round on; raises `EtldError`."""
        self._setup = self._set_up(config)
        self.trials.reload(config)
        self.close_breaker()

    def close_breaker(self) -> None:
        """Somebody changed something: send repairs again."""
        self.round.close_breaker.set()
        self._wake.set()

    def letters_arrived(self) -> None:
        """There are new letters."""
        self.round.changed = True
        self._wake.set()

    def tick(self) -> None:
        """A sign of life from within a long piece of work."""
        self._ticked = time.monotonic()

    def alive(self) -> bool:
        """Is it at work, and not stuck in one piece of it?"""
        return self._thread.is_alive() and time.monotonic() - self._ticked < _STUCK

    @property
    def resting(self) -> bool:
        """Is it paused, with nothing in hand?"""
        return self.paused and not self._at_work

    @property
    def held(self) -> str | None:
        """Why no repair is sent, though all works; None when they are."""
        return self._setup.breaker.text

    @property
    def resting_hooks(self) -> str | None:
        """Which hooks are not called for a while, and why; None when all are."""
        hooks = (rule.hook for rule in self._setup.repairer.rules if rule.hook is not None)
        return "; ".join(text for one in hooks if (text := one.resting)) or None

    def type_of_topic(self, topic: str | None) -> str | None:
        """The event type of a topic."""
        return self._setup.repairer.catalog.of_topic(topic)

    def _set_up(self, config: Config) -> RepairSetup:
        try:
            rules = compile_rules(config.corrector.rules)
        except RuleError as error:
            where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path)
            raise EtldError(f"corrector.rules{where}: {error.message}", code="ETLD-C014") from error
        rate = config.corrector.rate / max(1, config.corrector.workers)
        return RepairSetup(
            config,
            Repairer(rules, RepairTypes(catalog.of_registered_and_files(config)), self._schemas),
            RepairBreaker(config.breaker),
            rate_limit(rate, time.monotonic()),
            rate,
        )

    def _run(self) -> None:
        # Live traffic first: on Linux each thread has a priority of its own.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        pressure = CpuPressure()
        conn: Connection | None = None
        while not self._ending.is_set():
            self._wake.clear()
            self.tick()
            try:
                if conn is None or conn.closed:
                    conn = self._connect()
                rest = self._work(conn)
                self._ending.wait(min(_LONGEST_REST, _GIVE_WAY * pressure.waited()))
                self._wake.wait(rest)
            except (DatabaseError, EtldError) as error:
                self._tell(one_line(error))
                if isinstance(error, DatabaseError) and conn is not None:
                    conn.close()
                self._ending.wait(_REST_AFTER_ERROR)
            except Exception:
                log.exception("a piece of work failed, trying again")
                self._tell("a piece of work failed; the log says which")
                self._ending.wait(_REST_AFTER_ERROR)
        if conn is not None:
            conn.close()

    def _work(self, conn: Connection) -> float:
        """One round, unless it is paused; how many seconds to rest then, if nothing wakes it."""
        self._at_work = True  # before the look at `paused`: see resting
        try:
            busy = not self.paused and self.round.run(conn, self._setup)
        finally:
            self._at_work = False
        self._tell(None)
        if busy:
            return 0.0
        return _SHORT_REST if self.round.due_soon() and not self.held else _REST

    def _tell(self, problem: str | None) -> None:
        if problem != self.problem:
            if problem:
                log.warning("%s; trying again", problem)
            self.problem = problem
