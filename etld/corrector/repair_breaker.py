"""The circuit breaker of repairs: most of them fail again, so none is sent until something has changed.

Each would cost live traffic a refused batch, and leave one more dead letter and attempt that help nobody.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from etld.deadletters import outcomes

if TYPE_CHECKING:
    from etld.config.sections.events import BreakerSection as Limits
    from etld.deadletters.outcomes import Outcomes
    from etld.postgres.connections import Connection

log = logging.getLogger("etld.corrector")

# So many outcomes show, after it was open, whether it may close.
_TRIAL = 100


class RepairBreaker:
    """What the outcomes of the table say. `text` tells why nothing is sent; None: it is closed, or tries."""

    def __init__(self, limits: Limits) -> None:
        self._ratio, self._window, self._retry_after = limits.ratio, limits.window, limits.retry_after
        self._trial = min(_TRIAL, limits.window)
        self.text: str | None = None

    def wants(self, conn: Connection) -> int | None:
        """How many outcomes it wants to see yet before more is sent; 0: it is open, None: send as ever."""
        seen = outcomes.seen(conn)
        action = self.judge(seen)
        if action == "open" or (seen.open_for is not None and action is None):
            self.text = (
                f"{seen.failed / max(1, seen.ended):.0%} of the last repairs failed for good, so none is sent"
                " (breaker.ratio). `etld dlq list --state parked` and `etld dlq show ID` tell why; mend the rules and"
                " `etld reload`, or mend what refuses them and `etld resume corrector`."
            )
            if action and outcomes.open_breaker(conn):
                log.error("%s", self.text)
            return 0
        self.text = None
        if action == "try":
            outcomes.try_again(conn)
            return self._trial
        if action == "close":
            self.reset(conn)
            return None
        return self._trial - seen.ended if seen.trying else None

    def judge(self, seen: Outcomes) -> str | None:
        """What is to be done: "open", "try", "close", or None, leave it as it is."""
        if not self._ratio:
            return "close" if seen.trying or seen.open_for is not None else None
        if seen.open_for is not None:
            return "try" if self._retry_after and seen.open_for >= self._retry_after else None
        if seen.ended < (self._trial if seen.trying else self._window):
            return None
        if seen.failed > self._ratio * seen.ended:
            return "open"
        return "close" if seen.trying else None

    def reset(self, conn: Connection) -> None:
        """Close, and forget what was seen."""
        outcomes.close_breaker(conn)
        self.text = None
