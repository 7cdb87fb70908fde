"""What a session tells of itself: faults, totals, lag, and Kafka's own offsets for lag tools."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from etld.stream.behind import LagInTime

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from etld.kafka.ports import ConsumerPort
    from etld.kafka.types import Offset, Partition
    from etld.stream.batch import Batch, Owned
    from etld.worker import Worker


class SessionReport:
    """Passes on what changed. `with_totals`: the counts of the positions are the daemon's totals.

    `in_time` and `reached` outlive a session: what waits does so while another begins, and `reached` is how far each
    partition was written.
    """

    def __init__(
        self,
        worker: Worker,
        in_time: dict[Partition, LagInTime],
        reached: dict[Partition, Offset],
        *,
        with_totals: bool,
    ) -> None:
        self._worker = worker
        self._in_time = in_time
        self._reached = reached
        self._with_totals = with_totals
        self._faults: dict[str, str | None] = {}
        self._written: dict[Partition, Offset] = {}
        self._to_commit: dict[Partition, Offset] = {}

    def fault(self, name: str, text: str | None) -> bool:
        """A condition, or None when it is over; was it another until now?

        A new session says once that nothing is wrong: an earlier one may have said otherwise.
        """
        if name in self._faults and self._faults[name] == text:
            return False
        self._faults[name] = text
        self._worker.fault(name, text)
        return True

    def clear_faults(self) -> None:
        """Nothing that was said is so any more."""
        for name in self._faults:
            self.fault(name, None)

    def begun(self, partition: Partition, offset: Offset) -> None:
        """A partition is read from here on."""
        self._written[partition] = offset

    def gone(self, partition: Partition) -> None:
        """A partition is no longer ours."""
        self._written.pop(partition, None)
        self._to_commit.pop(partition, None)
        self._worker.forget(str(partition))
        self._tell_seconds(*partition, None)

    def only(self, owned: Collection[Partition]) -> None:
        """These are ours now, and none that an earlier session had besides."""
        kept = {str(partition) for partition in owned}
        for source in [one for one in self._worker.metrics.lags if one not in kept]:
            self._worker.forget(source)
            topic, _, number = source.rpartition(":")
            self._tell_seconds(topic, int(number), None)

    def written(self, batch: Batch) -> None:
        """A batch is in the sink."""
        for share in batch:
            self._reached[share.partition] = share.next_offset
            if share.partition in self._written:  # else it was handed over meanwhile
                self._written[share.partition] = self._to_commit[share.partition] = share.next_offset

    def rewound(self, records: Mapping[Partition, int]) -> None:
        """So many records of partitions are read again after a failover."""
        for partition, count in records.items():
            self._worker.count("rewound", count, topic=partition.topic, partition=partition.number)

    def totals(self, totals: Mapping[Partition, Mapping[str, int]]) -> None:
        """What became of all records of partitions since ever."""
        if self._with_totals:
            for partition, values in totals.items():
                if partition in self._written:
                    self._worker.totals(str(partition), dict(values))

    def lag(self, consumer: ConsumerPort, ends: Mapping[Partition, Offset], owned: Mapping[Partition, Owned]) -> None:
        """How far behind each partition is: by the last fetch, and by `ends` where nothing is fetched."""
        if consumer.joined and not owned:
            self._worker.no_lag()
        for partition, mine in owned.items():
            told = [end for end in (consumer.high(partition), ends.get(partition)) if end is not None]
            if told:
                high = max(told)
                done = self._written.get(partition, mine.next)
                self._worker.lag(str(partition), max(0, high - done))
                seconds = self._in_time.setdefault(partition, LagInTime()).seconds(high, done, time.monotonic())
                self._tell_seconds(*partition, round(seconds, 1))

    def _tell_seconds(self, topic: str, number: int, seconds: float | None) -> None:
        self._worker.gauge("consumer_lag_seconds", seconds, topic=topic, partition=number)

    def commit(self, consumer: ConsumerPort) -> None:
        """Tell Kafka how far it is."""
        if self._to_commit:
            consumer.commit(self._to_commit)
            self._to_commit = {}
