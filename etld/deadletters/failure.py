"""A dead letter as rules and hooks see it: the decoded event, and how it failed."""

from __future__ import annotations

import re
from dataclasses import dataclass

# What PostgreSQL adds about the one row: it differs from try to try.
_DETAIL = re.compile(r"\s(DETAIL|CONTEXT|LINE \d+):.*", re.DOTALL)
_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an event is dead. `stage` and `error_class` are in Kafka Connect's words."""

    stage: str
    error_class: str
    message: str
    sqlstate: str | None = None
    event_type: str | None = None

    @property
    def way(self) -> tuple[str, str, str | None, str]:
        """What two failures of the same way have in common."""
        return (self.stage, self.error_class, self.sqlstate, _NUMBERS.sub("#", _DETAIL.sub("", self.message)))
