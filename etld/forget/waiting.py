"""Until everybody has read what was accepted before a subject is erased."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from etld.config.names import AGGREGATOR, CORRECTOR, PROCESSOR
from etld.deadletters import erasing
from etld.erasure import records
from etld.erasure.records import place
from etld.forget.errors import NotFinished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from etld.config import Config
    from etld.kafka.admin import Admin
    from etld.postgres.connections import Connection

    Tell = Callable[[str], None]
    #: Topic, its id, number of the partition.
    Key = tuple[str, str, int]

_LOOK_EVERY = 0.2


class Readers:
    """How far processors, aggregator and corrector are, and how far the topics go.

    Waits as long as somebody gets on; raises `NotFinished` after `patience` seconds in which nobody did.
    """

    def __init__(self, conn: Connection, config: Config, admin: Admin, tell: Tell, patience: float) -> None:
        self._conn = conn
        self._config = config
        self._admin = admin
        self._tell = tell
        self._patience = patience
        #: The groups that are waited for.
        self._late: list[str] = []
        self.cluster_id = admin.cluster_id()

    def ends(self) -> dict[Key, int]:
        """The ends of the topics of events."""
        return self._ends([kind.topic for kind in self._config.event_types.values()])

    def wait_for_events(self, until: Mapping[str, int], keys: Iterable[Key]) -> None:
        """Until processors and aggregator have passed these offsets, by `place`."""
        types = {kind.topic: name for name, kind in self._config.event_types.items()}
        wanted: dict[tuple[str, Key], int] = {}
        for key in keys:
            end = until.get(place(key[1], key[2]), 0)
            if end:
                wanted[f"{PROCESSOR}{types[key[0]]}", key] = end
                if self._config.aggregator.workers:
                    wanted[AGGREGATOR, key] = end
        self._wait(wanted, "what was accepted until now is stored and summed up")

    def wait_for_letters(self) -> None:
        """Until all letters that are on their way have arrived."""
        end = erasing.outbox_end(self._conn)
        self._until_none(lambda: erasing.outbox_left(self._conn, end), "dead letters of the outbox are sent")
        if self._config.corrector.workers:
            ends = self._ends([self._config.kafka.dead_letter_topic])
            self._wait({(CORRECTOR, key): end for key, end in ends.items() if end}, "dead letters have arrived")

    def kept(self) -> float | None:
        """For how many seconds Kafka keeps records of events and letters, at most; None: for ever."""
        kafka = self._config.kafka
        events = [kind.topic for kind in self._config.event_types.values()]
        longest = 0
        for name in self._admin.topics([*events, kafka.dead_letter_topic, kafka.parked_topic]):
            milliseconds = int(self._admin.topic_config(name).get("retention.ms", "") or -1)
            if milliseconds < 0:
                return None
            longest = max(longest, milliseconds)
        return longest / 1000

    def _ends(self, names: Sequence[str]) -> dict[Key, int]:
        found = {}
        for topic in self._admin.topics(names).values():
            marks = self._admin.watermarks(topic.name, range(topic.partitions))
            found.update({(topic.name, topic.topic_id, number): high for number, (_, high) in marks.items()})
        return found

    def _wait(self, wanted: Mapping[tuple[str, Key], int], what: str) -> None:
        def behind() -> int:
            now = {
                (group, (topic, topic_id, number)): offset
                for group, topic, topic_id, number, offset in records.positions(self._conn, self.cluster_id)
            }
            late = {key: max(0, end - now.get(key, 0)) for key, end in wanted.items()}
            self._late = sorted({group for (group, _), left in late.items() if left})
            return sum(late.values())

        self._until_none(behind, what)

    def _until_none(self, left: Callable[[], int], what: str) -> None:
        best, since = left(), time.monotonic()
        if best:
            self._tell(f"waiting until {what}: {best} records left")
        told = since
        while best:
            time.sleep(_LOOK_EVERY)
            now = left()
            if now < best:
                best, since = now, time.monotonic()
            elif time.monotonic() - since >= self._patience:
                who = f" ({', '.join(self._late)})" if self._late else ""
                raise NotFinished(
                    f"for {self._patience:g} s nothing has come nearer to where {what}{who}, {best} records left:"
                    " does the daemon run, and is `etld health` content?"
                )
            if best and time.monotonic() - told >= 1.0:
                told = time.monotonic()
                self._tell(f"waiting until {what}: {best} records left")
