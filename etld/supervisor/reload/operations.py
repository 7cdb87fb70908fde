"""What takes a while (reload, scale, drain, restart): a generator that the loop drives, one at a time.

Each has a deadline, and can be called off: an error is raised at the point that it waits at, so that it takes back what
it must, within a deadline of its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etld.control.verbs import Answer, Later, Reply, VerbError
from etld.errors import EtldError

if TYPE_CHECKING:
    from etld.supervisor.lifecycle import Lifecycle

log = logging.getLogger("etld.supervisor")

#: Yields nothing, again and again, until it returns its answer.
Work = Generator[None, None, Reply]
#: A part of an operation that yields nothing and has no answer of its own.
Waiting = Generator[None, None, None]

#: Of what stands in the way, so much is told.
_TOLD = 3


@dataclass(eq=False, slots=True)
class _Operation:
    """`within`: seconds; `lasting`: it goes on when whoever asked for it is gone."""

    name: str
    work: Work
    within: float
    lasting: bool
    outcome: list[Reply | BaseException] = field(default_factory=list)
    began: float = 0.0
    until: float = 0.0
    #: Why it was called off.
    ending: VerbError | None = None

    def later(self) -> Reply | None:
        """Its answer, once it is there."""
        if not self.outcome:
            return None
        if isinstance(self.outcome[0], BaseException):
            raise self.outcome[0]
        return self.outcome[0]


class Operations:
    """At most one operation runs; one that takes its place may wait for its end.

    `obstacles` tells what is not as it should be, for an operation that comes to no end; `limit` is the seconds that
    one has if it is not said otherwise.
    """

    def __init__(self, lifecycle: Lifecycle, obstacles: Callable[[], Sequence[str]] = tuple) -> None:
        self._lifecycle = lifecycle
        self._obstacles = obstacles
        self._now: _Operation | None = None
        self._next: _Operation | None = None
        self.limit = 600.0
        #: Seconds that an operation has to take back what it did, once it is called off.
        self.way_back = 60.0
        #: What is under way, in words; None when nothing is.
        self.current: str | None = None
        #: The operation that ended last, and its error: {"name", "error"}.
        self.last: dict[str, str | None] | None = None

    def start(
        self, name: str, work: Work, *, lasting: bool = True, within: float | None = None, replaces: bool = False
    ) -> Answer:
        """Begin; the answer comes when the work is done. What is not `lasting` ends when nobody waits for it.

        `replaces`: one of the same name that is under way is called off first, and this begins when that has ended.
        """
        operation = _Operation(name, work, self.limit if within is None else within, lasting)
        if self._lifecycle.stopping:
            work.close()
            raise VerbError("stopping", "the daemon is stopping")
        if self._now is None:
            self._begin(operation)
        elif replaces and self._now.name == name:
            self._replace(operation)
        else:
            work.close()
            told = f"{self.current} is under way, for {time.monotonic() - self._now.began:.0f} s now"
            raise VerbError("busy", f"{told}; try again when it is done, or end it: `etld cancel`")
        return operation.later

    def running(self, name: str) -> bool:
        """Is an operation of this name under way?"""
        return self._now is not None and self._now.name == name

    def advance(self) -> None:
        """Let the work go on, as long as it has time."""
        operation = self._now
        if operation is None:
            return
        if time.monotonic() < operation.until:
            self._step(operation, lambda: next(operation.work))
        elif operation.ending is not None:
            log.error("%s: has not taken back what it did within %.0f s", self.current, self.way_back)
            self._drop(operation.ending)
        else:
            why = "; ".join(self._obstacles()[:_TOLD])
            told = f"{self.current}: not done within {operation.within:g} s{f' ({why})' if why else ''}"
            self._call_off(operation, VerbError("timeout", told))

    def tell(self, text: str) -> None:
        """Say how far the operation is."""
        if self._now is not None:
            self.current = text

    def call_off(self) -> Answer:
        """End what is under way, as if it had failed; asked again, at once. The answer comes when it has ended."""
        operation = self._now
        if operation is None:
            raise VerbError("nothing", "nothing is under way")
        self._forget_next(VerbError("cancelled", "cancelled before it began"))
        if operation.ending is not None:
            self._drop(operation.ending)
        else:
            self._call_off(operation, VerbError("cancelled", f"{self.current}: cancelled"))
        name = operation.name
        return lambda: {"cancelled": name} if operation.outcome else None

    def cancel(self) -> None:
        """The daemon stops."""
        why = VerbError("stopping", "the daemon is stopping")
        self._forget_next(why)
        self._drop(why)

    def abandoned(self, later: Later) -> None:
        """Whoever waited for this answer has gone."""
        operation = self._now
        if operation is not None and not operation.lasting and later == operation.later:
            log.info("%s: cancelled, since its client has gone", self.current)
            self._drop(VerbError("abandoned", "cancelled, since its client has gone"))

    def _begin(self, operation: _Operation) -> None:
        operation.began = time.monotonic()
        operation.until = operation.began + operation.within
        self._now, self.current = operation, operation.name
        self._step(operation, lambda: next(operation.work))

    def _replace(self, operation: _Operation) -> None:
        assert self._now is not None
        why = VerbError("replaced", f"a newer {operation.name} takes its place")
        self._forget_next(why)
        self._next = operation
        if self._now.ending is None:
            self._call_off(self._now, why)

    def _call_off(self, operation: _Operation, why: VerbError) -> None:
        operation.ending = why
        operation.until = time.monotonic() + self.way_back
        self._step(operation, lambda: operation.work.throw(why))

    def _step(self, operation: _Operation, step: Callable[[], None]) -> None:
        try:
            step()
        except StopIteration as end:
            result: Reply | BaseException = end.value
            log.info("%s: done", self.current)
        except Exception as error:
            result = error
            if isinstance(error, (VerbError, EtldError)):
                log.error("%s: %s", self.current, error)
            else:
                log.exception("%s failed", self.current)
        else:
            return
        self._end(operation, result)

    def _drop(self, why: VerbError) -> None:
        """End it where it stands."""
        if self._now is not None:
            self._now.work.close()
            self._end(self._now, why)

    def _forget_next(self, why: VerbError) -> None:
        if self._next is not None:
            self._next.work.close()
            self._next.outcome.append(why)
            self._next = None

    def _end(self, operation: _Operation, result: Reply | BaseException) -> None:
        error = str(result) or type(result).__name__ if isinstance(result, BaseException) else None
        self.last = {"name": operation.name, "error": error}
        operation.outcome.append(result)
        self._now, self.current = None, None
        following, self._next = self._next, None
        if following is not None:
            self._begin(following)
