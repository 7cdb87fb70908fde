"""What takes a while (reload, scale, drain, restart): a generator that the loop drives, one at a time."""

from __future__ import annotations

import logging
from collections.abc import Generator
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


class Operations:
    """At most one operation runs."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self._work: Work | None = None
        self._later: Later | None = None
        self._lasting = True
        self._name = ""
        #: What is under way, in words; None when nothing is.
        self.current: str | None = None
        #: The operation that ended last, and its error: {"name", "error"}.
        self.last: dict[str, str | None] | None = None

    def start(self, name: str, work: Work, *, lasting: bool = True) -> Answer:
        """Begin; the answer comes when the work is done. What is not `lasting` ends when nobody waits for it."""
        if self._work is not None:
            work.close()
            raise VerbError("busy", f"{self.current} is under way; try again when it is done")
        if self._lifecycle.stopping:
            work.close()
            raise VerbError("stopping", "the daemon is stopping")
        self._work, self.current, self._name, self._lasting = work, name, name, lasting
        outcome: list[Reply | BaseException] = []

        def later() -> Reply | None:
            if not outcome:
                return None
            if isinstance(outcome[0], BaseException):
                raise outcome[0]
            return outcome[0]

        self._finish, self._later = outcome.append, later
        self.advance()
        return later

    def advance(self) -> None:
        """Let the work go on."""
        if self._work is None:
            return
        try:
            next(self._work)
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
        self._end(result)

    def tell(self, text: str) -> None:
        """Say how far the operation is."""
        if self._work is not None:
            self.current = text

    def cancel(self) -> None:
        """The daemon stops."""
        self._cancel(VerbError("stopping", "the daemon is stopping"))

    def abandoned(self, later: Later) -> None:
        """Whoever waited for this answer has gone."""
        if later is self._later and self._work is not None and not self._lasting:
            log.info("%s: cancelled, since its client has gone", self.current)
            self._cancel(VerbError("abandoned", "cancelled, since its client has gone"))

    def _cancel(self, why: VerbError) -> None:
        if self._work is not None:
            self._work.close()
            self._end(why)

    def _end(self, result: Reply | BaseException) -> None:
        error = str(result) or type(result).__name__ if isinstance(result, BaseException) else None
        self.last = {"name": self._name, "error": error}
        self._work, self.current = None, None
        self._finish(result)
