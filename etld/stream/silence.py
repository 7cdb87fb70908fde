"""What a session does while nothing comes: it asks whether the broker is there, and whether there is nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from etld.kafka.errors import ConsumerBroken, KafkaProblem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from etld.kafka.ports import AdminPort, ConsumerPort
    from etld.kafka.types import Offset, Partition
    from etld.stream.batch import Owned
    from etld.stream.resources import Timings

#: Seconds. From a broker that hangs to the word of it: `Timings.probe_every` and twice this.
_ANSWER_WITHIN = 1.0


class Silence:
    """The client library tells only sometimes of a connection that breaks, and late of a broker that hangs.

    `ends` are those of the partitions when they were asked for last.
    """

    def __init__(self, consumer: ConsumerPort, admin: AdminPort, timings: Timings) -> None:
        self._consumer = consumer
        self._admin = admin
        self._timings = timings
        self.ends: Mapping[Partition, Offset] = {}
        self._unanswered = False
        self._read_at = time.monotonic()
        self._next_probe = self._read_at + timings.probe_every
        #: When partitions were seen to be held back last.
        self._held_at: dict[Partition, float] = {}

    def heard(self, *, of_all: bool) -> None:
        """The broker has sent something; `of_all`: no partition is held back, of which it sends nothing."""
        self._read_at = time.monotonic()
        if of_all:
            self._next_probe = self._read_at + self._timings.probe_every

    def not_listening(self) -> None:
        """Nothing was asked of the broker."""
        self._read_at = time.monotonic()

    def look(self, owned: Mapping[Partition, Owned], held: Collection[Partition]) -> None:
        """Ask, if it is time to; sets the consumer's `broker_problem`, or ends it.

        Raises `ConsumerBroken` when for `Timings.stalled_after` nothing came of what is there.
        """
        now = time.monotonic()
        self._held_at.update(dict.fromkeys(held, now))
        if now < self._next_probe:
            return
        try:
            # Not by the consumer's connection: there it would wait for the fetch that is under way.
            self.ends = self._admin.ends(owned, _ANSWER_WITHIN)
        except KafkaProblem as error:
            self._read_at = now
            if self._unanswered:  # one answer that is late is a busy broker's, and the next is asked for at once
                self._consumer.broker_problem = str(error)
                self._next_probe = now + self._timings.probe_every
            self._unanswered = True
            return
        self._unanswered = False
        self._consumer.broker_problem = None
        self._next_probe = now + self._timings.probe_every
        for partition, mine in owned.items():
            silent = now - max(self._read_at, self._held_at.get(partition, 0.0))
            if silent >= self._timings.stalled_after and self.ends.get(partition, 0) > mine.next:
                text = f"{partition} was read to {mine.next} and ends at {self.ends[partition]}, and nothing came"
                raise ConsumerBroken(f"{text} for {silent:.0f} s")
