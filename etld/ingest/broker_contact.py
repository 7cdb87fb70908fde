"""Is Kafka there? Told by what it acknowledges, and by a question when nothing tells. Pure."""

from __future__ import annotations

#: With records on their way and none arriving for this long (seconds), waiting and new requests get a 503.
STALL = 0.6
#: How often the cluster is asked whether it is there, when no record has told lately; and for how long.
PROBE_EVERY = 2.0
PROBE_TIMEOUT = 1.5


class BrokerContact:
    """What one producer knows of its cluster; every `now` is of the monotonic clock.

    `away` says why nothing can be sent now, and is "" while something can. A producer that has never
    reached its cluster may take `patience` seconds for the first record: connecting, metadata and the
    producer id come first.
    """

    def __init__(self, now: float, patience: float, away: str = "") -> None:
        self.away = away
        self.patience = patience
        self.proven = False
        self._progress = now
        self._asked = float("-inf")
        self._delivered = float("-inf")

    @property
    def answered(self) -> bool:
        """Is it known whether Kafka is there?"""
        return self.proven or bool(self.away)

    def delivered(self, now: float) -> None:
        """Kafka acknowledged something."""
        self._progress = self._delivered = now
        self._there()

    def tick(self, now: float, in_flight: int) -> None:
        """Notice silence; `in_flight` records are not acknowledged."""
        if not in_flight:
            self._progress = now
        elif now - self._progress > (STALL if self.proven else max(STALL, self.patience)):
            self.away = self.away or "Kafka has stopped acknowledging"

    def due(self, now: float) -> bool:
        """Is it time to ask? True at most every `PROBE_EVERY` seconds, and not while records tell."""
        if now - self._asked < PROBE_EVERY or (not self.away and now - self._delivered < PROBE_EVERY):
            return False
        self._asked = now
        return True

    def told(self, asked: float, now: float, reason: str) -> None:
        """The answer to a question of `asked`: "", or why there is none; what was delivered since knows better.

        A stalled producer whose cluster answers is tried again: perhaps only one partition was stuck.
        """
        if asked < self._delivered:
            return
        if reason:
            self.away = reason
        else:
            self._progress = now
            self._there()

    def _there(self) -> None:
        self.proven = True
        self.away = ""
