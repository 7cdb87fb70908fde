"""The partitions of a session: claimed when Kafka assigns them, halted ones set aside."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from etld.kafka.errors import ConsumerBroken, KafkaProblem
from etld.sinks.base import OFFSET_BEYOND, PartitionLog, SinkError
from etld.stream.batch import Owned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from etld.kafka.types import Offset, Partition, Watermarks
    from etld.sinks.base import Claimed, Halted
    from etld.stream.batch import Batch
    from etld.stream.report import SessionReport
    from etld.stream.resources import Resources

log = logging.getLogger("etld.stream")

#: An epoch that a failover has ended: see `Sink.epochs`.
_OVER = -1

# The session stands still meanwhile, and is to tell within five seconds of a broker that is away.
_CHECK_WITHIN = 1.0


class Assignments:
    """`owned` are the partitions that are read, `halted` those that wait for a person."""

    def __init__(self, resources: Resources, report: SessionReport) -> None:
        self._resources = resources
        self._report = report
        self.owned: dict[Partition, Owned] = {}
        self.halted: dict[Partition, Halted] = {}
        #: Up to where partitions are read for the second time, after a failover of the sink.
        self._again: dict[Partition, Offset] = {}

    def assign(
        self, partitions: Sequence[Partition], marks: Mapping[Partition, Watermarks]
    ) -> Mapping[Partition, Offset]:
        """Claim them; where each starts.

        Raises `ConsumerBroken`, `KafkaProblem`, `SinkError` and `StrangerInGroup`.
        """
        self._resources.first_claim.check()
        topics = self._resources.admin.topics(sorted({one.topic for one in partitions}))
        logs = []
        for partition in partitions:
            if partition.topic not in topics:
                raise ConsumerBroken(f"topic {partition.topic} does not exist", code="ETLD-K012")
            logs.append(PartitionLog(partition, topics[partition.topic].topic_id, *marks[partition]))
        claimed, halted = self._claim(logs)
        for halt in halted:
            log.error("%s", halt.text, extra={"topic": halt.partition.topic, "partition": halt.partition.number})
            self.halted[halt.partition] = halt
        for claim in claimed:
            self.halted.pop(claim.partition, None)
            self.owned[claim.partition] = Owned(claim.topic_id, claim.epoch, claim.next_offset)
            self._report.begun(claim.partition, claim.next_offset)
            self._resources.claimed.add(claim.partition)
        self._note_rewound([claim for claim in claimed if claim.failed_over])
        self._report.totals({claim.partition: claim.totals for claim in claimed if claim.totals})
        self._report.only(self.owned)
        log.info("claimed %d partitions", len(claimed), extra={"topic": ",".join(sorted(topics))})
        return {claim.partition: claim.next_offset for claim in claimed}

    def read_again(self) -> str | None:
        """What is read for the second time now, after a failover of the sink; None when that is done."""
        for partition in [key for key, end in self._again.items() if self._is_past(key, end)]:
            del self._again[partition]
        left = sum(end - self.owned[key].next for key, end in self._again.items())
        if not left:
            return None
        title = self._resources.sink.title
        return f"{title} went over to a server that was behind: {left} records are read again from Kafka"

    def _is_past(self, partition: Partition, end: Offset) -> bool:
        mine = self.owned.get(partition)
        return mine is None or mine.next >= end

    def _note_rewound(self, claims: Sequence[Claimed]) -> None:
        """How far back are these? By what this process has written, and by what any told Kafka."""
        if not claims:
            return
        resources = self._resources
        reached = dict(resources.reached)
        try:
            told = resources.admin.committed(resources.group_in_kafka, [claim.partition for claim in claims])
        except KafkaProblem as error:
            log.warning("how far the group had come is not known: %s", error)
            told = {}
        back = {
            claim.partition: (claim.next_offset, end)
            for claim in claims
            if (end := max(reached.get(claim.partition, 0), told.get(claim.partition, 0))) > claim.next_offset
        }
        for partition, (start, end) in back.items():
            log.warning(
                "%s went over to a server that was behind: %s goes back from offset %d to %d, and %d records are read"
                " again",
                resources.sink.title, partition, end, start, end - start,
                extra={"topic": partition.topic, "partition": partition.number},
            )  # fmt: skip
            resources.reached[partition] = start
        if back:
            self._report.rewound({partition: end - start for partition, (start, end) in back.items()})
            self._again |= {partition: end for partition, (_, end) in back.items()}
            resources.sink.note_rewound({partition: end - start for partition, (start, end) in back.items()})

    def drop(self, partitions: Sequence[Partition]) -> None:
        """They are another member's now."""
        for partition in partitions:
            self.owned.pop(partition, None)
            self._report.gone(partition)

    def positions(self) -> dict[Partition, Offset]:
        """Where each partition is to be read on."""
        return {partition: mine.next for partition, mine in self.owned.items()}

    def go_back(self, batches: Iterable[Batch], held: Mapping[Partition, Offset]) -> None:
        """These were read, and so was what is `held` from an offset on: all that is to be read again."""
        starts = [(part.partition, part.expected) for batch in batches for part in batch]
        for partition, offset in [*starts, *held.items()]:
            mine = self.owned.get(partition)
            if mine is not None:
                mine.next = min(mine.next, offset)

    def check(self, *, broker_is_well: bool) -> None:
        """Raise `ConsumerBroken` when they have to be claimed anew.

        One that was halted may go on, one is somebody else's or was rewound, or a topic was made anew.
        """
        if (self.halted or self.owned) and self._resources.sink.reachable():
            self._check_positions()
        if not broker_is_well or not self.owned:
            return
        try:
            topics = self._resources.admin.topics(sorted({partition.topic for partition in self.owned}), _CHECK_WITHIN)
        except KafkaProblem as error:
            log.debug("cannot check topic ids now: %s", error)
            return
        for partition, mine in self.owned.items():
            seen = topics.get(partition.topic)
            if seen is not None and seen.topic_id != mine.topic_id:
                raise ConsumerBroken(f"topic {partition.topic} was deleted and made anew")

    def _check_positions(self) -> None:
        """What a batch would find out by itself: but perhaps none comes."""
        sink = self._resources.sink
        try:
            standing = sink.halted() if self.halted else set()
            epochs = sink.epochs()
        except SinkError:
            sink.disconnect()
            return
        if not self.halted.keys() <= standing:
            raise ConsumerBroken("a halted partition may go on")
        if any(epochs.get(partition) == _OVER for partition in self.owned):
            raise ConsumerBroken(f"{sink.title} went over to another server")
        if any(epochs.get(partition) != mine.epoch for partition, mine in self.owned.items()):
            raise ConsumerBroken("a partition was claimed by another, or rewound")

    def _claim(self, logs: list[PartitionLog]) -> tuple[list[Claimed], list[Halted]]:
        claimed, halted = self._resources.sink.claim(logs)
        beyond = {halt.partition for halt in halted if halt.reason == OFFSET_BEYOND}
        if not beyond:
            return claimed, halted
        # Until the claim the former owner may have gone past the end of the log that was seen before it.
        again = []
        for one in logs:
            if one.partition in beyond:
                topic, number = one.partition
                low, high = self._resources.admin.watermarks(topic, [number])[number]
                again.append(replace(one, low=low, high=high))
        more, still = self._resources.sink.claim(again)
        return claimed + more, [halt for halt in halted if halt.reason != OFFSET_BEYOND] + still
