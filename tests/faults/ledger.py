"""What the client knows of every event it sent."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum

Coordinates = tuple[str, int, int]


class Kind(StrEnum):
    """What etld has to do with an event once it has acknowledged it."""

    GOOD = "good"  # store it
    REPAIRABLE = "repairable"  # dead-letter it, repair it, store it
    HOPELESS = "hopeless"  # dead-letter it and park it


class State(StrEnum):
    """What the client was told."""

    UNKNOWN = "unknown"  # nothing: it may be stored or not
    UNAVAILABLE = "unavailable"  # 5xx or 429: etld promises nothing, but Kafka may have it
    REFUSED = "refused"  # 4xx: it must not be stored
    ACKNOWLEDGED = "acknowledged"  # 2xx: it is etld's now


# A later answer to the same event never takes back an acknowledgement.
_RANK = {State.UNKNOWN: 0, State.REFUSED: 1, State.UNAVAILABLE: 2, State.ACKNOWLEDGED: 3}


@dataclass(slots=True)
class Entry:
    """One event: times are monotonic seconds."""

    kind: Kind
    event_type: str
    sent: float
    state: State = State.UNKNOWN
    attempts: int = 0
    unanswered: int = 0
    acknowledged: float | None = None


@dataclass
class Ledger:
    """Entries by event_id, and records that a foreign producer wrote by their coordinates."""

    entries: dict[str, Entry] = field(default_factory=dict)
    foreign: dict[Coordinates, str] = field(default_factory=dict)
    foreign_ids: set[str] = field(default_factory=set)
    #: Topics that were deleted and made anew: their offsets began again.
    remade: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def sending(self, event_id: str, kind: Kind, event_type: str) -> None:
        """It is about to be sent, perhaps again."""
        with self._lock:
            entry = self.entries.get(event_id)
            if entry is None:
                entry = self.entries[event_id] = Entry(kind, event_type, time.monotonic())
            entry.attempts += 1

    def answered(self, event_id: str, status: int | None) -> State:
        """The answer to one attempt; None: none came. Gives what is known of the event now."""
        if status is None:
            state = State.UNKNOWN
        elif 200 <= status < 300:
            state = State.ACKNOWLEDGED
        elif status >= 500 or status in (408, 429):
            state = State.UNAVAILABLE
        else:
            state = State.REFUSED
        with self._lock:
            entry = self.entries[event_id]
            if state is State.UNKNOWN:
                entry.unanswered += 1
            if _RANK[state] > _RANK[entry.state]:
                entry.state = state
            if state is State.ACKNOWLEDGED and entry.acknowledged is None:
                entry.acknowledged = time.monotonic()
            return entry.state

    def wrote(self, where: Coordinates, what: str, event_id: str | None) -> None:
        """A foreign producer wrote a record there."""
        with self._lock:
            self.foreign[where] = what
            if event_id is not None:
                self.foreign_ids.add(event_id)

    def count(self, state: State | None = None) -> int:
        """Events in that state, or all."""
        with self._lock:
            return sum(state is None or entry.state is state for entry in self.entries.values())

    def ids(self, *, state: State | None = None, kind: Kind | None = None) -> set[str]:
        """Ids of the events in that state and of that kind."""
        with self._lock:
            return {
                event_id
                for event_id, entry in self.entries.items()
                if (state is None or entry.state is state) and (kind is None or entry.kind is kind)
            }

    def acknowledged_since(self, moment: float) -> int:
        """Events that were sent after `moment` and are acknowledged."""
        with self._lock:
            return sum(
                entry.sent >= moment and entry.state is State.ACKNOWLEDGED for entry in reversed(self.entries.values())
            )

    def unanswered(self) -> int:
        """Attempts that never had an answer."""
        with self._lock:
            return sum(entry.unanswered for entry in self.entries.values())
