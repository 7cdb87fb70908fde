"""The writer: one transaction a batch, tried until it is done or another owner has the partitions."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.errors import EtldError
from etld.postgres.errors import classify, sqlstate
from etld.sinks.postgres.positions import Fenced
from etld.stream.handler import TooManyRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from etld.postgres.connections import Connection
    from etld.postgres.errors import Verdict
    from etld.sinks.postgres.positions import Positions
    from etld.stream.batch import Key
    from etld.stream.handler import Handler, Work

log = logging.getLogger("etld.stream")

_FIRST_WAIT, _LONGEST_WAIT, _STOP_WAIT = 0.1, 2.0, 5.0


class _Stopped(Exception):
    """The writer was told to stop between two tries."""


@dataclass(frozen=True, slots=True)
class Written:
    """A batch that is in the database, the totals after it, and how long its transaction took."""

    work: Any
    totals: Mapping[Key, Mapping[str, int]]
    seconds: float


class Writer:
    """Writes one work at a time in a thread of its own, and takes one more in advance.

    `problem` tells what stands in the way at the moment (None: nothing). `failure` is set when the
    partitions of a batch went to another owner, or the role's code broke: then the session is over.
    """

    def __init__(self, connect: Callable[[], Connection], positions: Positions, handler: Handler[Any]) -> None:
        self._connect = connect
        self._positions = positions
        self._handler = handler
        self._conn: Connection | None = None
        self._queue: queue.Queue[Work | None] = queue.Queue(maxsize=1)
        self._stop = threading.Event()
        self._room = threading.Event()
        self._taken_back = threading.Event()
        self._returned: Work | None = None
        self._began: float | None = None
        self._taken = self._finished = 0
        self.done: deque[Written] = deque()
        self.problem: str | None = None
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Is a batch being written or waiting for it?"""
        return self._began is not None or not self._queue.empty()

    @property
    def idle(self) -> bool:
        """Has everything that was handed over been written? Not so between two tries."""
        return self._finished == self._taken

    def stuck_for(self) -> float:
        """Seconds since the present try began, 0 when none is under way."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    @property
    def full(self) -> bool:
        """Is a batch waiting for its turn?"""
        return self._queue.full()

    def submit(self, work: Work) -> None:
        """Hand a work over; only when not `full`."""
        self._queue.put_nowait(work)
        self._taken += 1

    def wait_room(self, timeout: float) -> None:
        """Sleep until the writer has taken what was waiting, or `timeout` seconds."""
        if self._queue.full():
            self._room.wait(timeout)
            self._room.clear()

    def wait_idle(self, timeout: float) -> None:
        """Sleep until everything that was handed over is written, something stands in the way, or `timeout` seconds."""
        until = time.monotonic() + timeout
        while not self.idle and self.problem is None and self.failure is None and time.monotonic() < until:
            time.sleep(0.005)

    def take_back(self) -> list[Work]:
        """What is not written, oldest first, after the table refused too much of the first; else nothing."""
        if self._returned is None:
            return []
        works = [self._returned]
        while not self._queue.empty():
            work = self._queue.get_nowait()
            if work is not None:
                works.append(work)
        self._finished += len(works)
        self._returned = None
        self._taken_back.set()
        return works

    def close(self, timeout: float) -> None:
        """Finish the batch in hand, drop the one in waiting, end the thread within `timeout` seconds."""
        self._stop.set()
        try:
            self._queue.get_nowait()
        except queue.Empty:
            pass
        self._queue.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive() and self._conn is not None:
            log.warning("the last batch is still being written: leaving it to the next owner")

    def _run(self) -> None:
        try:
            while (work := self._queue.get()) is not None:
                self._room.set()
                self._began = time.monotonic()
                try:
                    totals = self._write(work)
                except TooManyRefused:
                    self._give_back(work)
                    continue
                self.done.append(Written(work, totals, time.monotonic() - self._began))
                self._finished += 1
                self._began = None
        except _Stopped:
            pass
        except BaseException as error:  # told to the loop's thread, which ends the session
            self.failure = error
        finally:
            self._began = None
            self._room.set()
            self._disconnect()

    def _give_back(self, work: Work) -> None:
        """Stand still until the other thread has taken back all that it handed over: the order must stay."""
        self._began = None
        self._taken_back.clear()
        self._returned = work
        self._room.set()
        while not self._taken_back.wait(0.1):
            if self._stop.is_set():
                raise _Stopped

    def _write(self, work: Work) -> Mapping[Key, Mapping[str, int]]:
        verdict: Verdict | None = None
        unsure = False
        wait = _FIRST_WAIT
        while True:
            try:
                if unsure:
                    if self._positions.outcome(self._connection(), work.batch.moves):
                        log.info("the last COMMIT had no answer, and it had happened")
                        self.problem = None
                        return {}
                    unsure = False
                totals = self._transaction(work, verdict)
            except (Fenced, TooManyRefused):
                raise
            except Exception as error:
                found = classify(error)
                if isinstance(error, EtldError):
                    found = "stop"
                if found in ("conflict", "data") and verdict not in (found, "data"):
                    verdict = found
                    continue
                self._explain(error, found)
                self._disconnect()
                unsure = True
                pause = _STOP_WAIT if found != "retry" else wait * random.uniform(0.7, 1.3)
                wait = min(wait * 2, _LONGEST_WAIT)
                self._began = None
                if self._stop.wait(pause):
                    raise _Stopped from error
                self._began = time.monotonic()
            else:
                if self.problem:
                    log.info("PostgreSQL takes batches again")
                    self.problem = None
                return totals

    def _transaction(self, work: Work, verdict: Verdict | None) -> Mapping[Key, Mapping[str, int]]:
        conn = self._connection()
        with conn.transaction(), conn.cursor() as cur:
            totals = self._positions.advance(cur, work.batch.moves, work.tallies)
            changes = self._handler.write(cur, work, verdict)
            if changes:
                totals |= self._positions.adjust(cur, changes)
        return totals

    def _explain(self, error: Exception, found: Verdict) -> None:
        state = sqlstate(error)
        text = " ".join(str(error).split()) or type(error).__name__
        if found == "retry":
            problem = f"PostgreSQL is away or busy, trying again: {text}"
        elif isinstance(error, EtldError):
            problem = text
        else:
            problem = f"PostgreSQL refuses the batch and a person has to look: {text}"
        if problem != self.problem:
            log.log(
                logging.WARNING if found == "retry" else logging.ERROR,
                "%s%s",
                problem,
                f" (SQLSTATE {state})" if state else "",
                exc_info=error if found != "retry" and state is None and not isinstance(error, EtldError) else None,
            )
        self.problem = problem

    def _connection(self) -> Connection:
        if self._conn is None or self._conn.closed:
            self._conn = self._connect()
        return self._conn

    def _disconnect(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()
