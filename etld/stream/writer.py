"""The writer: one write a batch, tried until it is done or another owner has the partitions."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.errors import EtldError
from etld.isolation.in_hand import WRITING
from etld.sinks.base import Fenced, SinkError, TooManyRefused
from etld.util.backoff import Backoff
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.isolation.in_hand import InHand
    from etld.kafka.types import Partition
    from etld.sinks.base import Sink, Verdict
    from etld.stream.handler import BatchHandler, Work

log = logging.getLogger("etld.stream")

_LONGEST_WAIT, _STOP_WAIT = 2.0, 5.0


class _WriterStopped(Exception):
    """It was told to stop between two tries."""


@dataclass(frozen=True, slots=True)
class Written:
    """A batch that is in the sink, the totals after it, and how many seconds its write took."""

    work: Any
    totals: Mapping[Partition, Mapping[str, int]]
    seconds: float


class Writer:
    """Writes one work at a time in a thread of its own, and takes one more in advance.

    `problem` tells what stands in the way at the moment (None: nothing). `failure` is set when the
    partitions of a batch went to another owner, or the role's code broke: then the session is over.
    """

    def __init__(self, sink: Sink, handler: BatchHandler[Any], in_hand: InHand, first_retry: float) -> None:
        self._sink = sink
        self._in_hand = in_hand
        self._sink_writer = sink.writer()
        self._handler = handler
        self._first_retry = first_retry
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
        """What is not written, oldest first, after the sink refused too much of the first; else nothing."""
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
        with contextlib.suppress(queue.Empty):
            self._queue.get_nowait()
        self._queue.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            log.warning("the last batch is still being written: leaving it to the next owner")

    def _run(self) -> None:
        try:
            while (work := self._queue.get()) is not None:
                self._room.set()
                self._began = time.monotonic()
                try:
                    # Its rows are bytes by now and libpq copies them: nothing here reads what a record says. A life
                    # that ends here all the same has its records tried, as `prepare` has them; the write is not.
                    with self._in_hand.holding(WRITING, work.note):
                        totals = self._write(work)
                except TooManyRefused:
                    self._give_back(work)
                    continue
                self.done.append(Written(work, totals, time.monotonic() - self._began))
                self._finished += 1
                self._began = None
        except _WriterStopped:
            pass
        except BaseException as error:  # told to the loop's thread, which ends the session
            self.failure = error
        finally:
            self._began = None
            self._room.set()
            self._sink_writer.disconnect()

    def _give_back(self, work: Work) -> None:
        """Stand still until the other thread has taken back all that it handed over: the order must stay."""
        self._began = None
        self._taken_back.clear()
        self._returned = work
        self._room.set()
        while not self._taken_back.wait(0.1):
            if self._stop.is_set():
                raise _WriterStopped

    def _write(self, work: Work) -> Mapping[Partition, Mapping[str, int]]:
        verdict: Verdict | None = None
        backoff = Backoff(self._first_retry, _LONGEST_WAIT)
        unsure = False
        while True:
            try:
                if unsure and self._happened(work):
                    return {}
                unsure = False
                totals = self._try(work, verdict)
            except (Fenced, TooManyRefused):
                raise
            except Exception as error:
                found: Verdict = error.verdict if isinstance(error, SinkError) else "stop"
                if found in ("conflict", "data") and verdict not in (found, "data"):
                    verdict = found
                    continue
                self._explain(error, found)
                self._sink_writer.disconnect()
                unsure = True
                self._pause(backoff.next() if found == "retry" else _STOP_WAIT)
            else:
                if self.problem:
                    log.info("%s takes batches again", self._sink.title)
                    self.problem = None
                return totals

    def _happened(self, work: Work) -> bool:
        if not self._sink_writer.happened(work.batch.advances):
            return False
        log.info("the last COMMIT had no answer, and it had happened")
        self.problem = None
        return True

    def _try(self, work: Work, verdict: Verdict | None) -> Mapping[Partition, Mapping[str, int]]:
        return self._sink_writer.write(
            work.batch.advances,
            work.outcomes,
            lambda transaction: self._handler.write(transaction, work, verdict),
        )

    def _pause(self, seconds: float) -> None:
        self._began = None
        if self._stop.wait(seconds):
            raise _WriterStopped
        self._began = time.monotonic()

    def _explain(self, error: Exception, found: Verdict) -> None:
        code = error.code if isinstance(error, SinkError) else ""
        in_words = isinstance(error, EtldError) and not isinstance(error, SinkError)
        text = one_line(error) or type(error).__name__
        if found == "retry":
            problem = f"{self._sink.title} is away or busy, trying again: {text}"
        elif in_words:
            problem = text
        else:
            problem = f"{self._sink.title} refuses the batch and a person has to look: {text}"
        if problem != self.problem:
            log.log(
                logging.WARNING if found == "retry" else logging.ERROR,
                "%s%s",
                problem,
                f" ({code})" if code else "",
                exc_info=None if found == "retry" or code or in_words else error,
            )
        self.problem = problem
