"""A dead letter as rules and hooks see it: the decoded event, and how it failed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an event is dead. `stage` and `error_class` are in Kafka Connect's words."""

    stage: str
    error_class: str
    message: str
    sqlstate: str | None = None
    event_type: str | None = None

    @property
    def same(self) -> tuple[str, str, str | None, str]:
        """What two failures of the same way have in common."""
        return (self.stage, self.error_class, self.sqlstate, self.message)
