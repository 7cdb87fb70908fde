"""Records that are known to end the process that works on them: roles leave them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.isolation.search import ERROR_CLASS
from etld.serdes.base import STAGE, BadRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from etld.isolation.search import Death
    from etld.kafka.types import Offset, Partition
    from etld.stream.batch import Batch, PartitionBatch


class Killers:
    """By partition and offset, until a batch that leaves them out is written."""

    def __init__(self) -> None:
        self._deaths: dict[Partition, dict[Offset, Death]] = {}

    def add(self, partition: Partition, deaths: Mapping[Offset, Death]) -> None:
        """Some more."""
        if deaths:
            self._deaths.setdefault(partition, {}).update(deaths)

    def passed(self, batch: Batch) -> None:
        """These records are written, the killers among them as dead letters."""
        if self._deaths:
            for share in batch:
                found = self._deaths.get(share.partition, {})
                left = {offset: death for offset, death in found.items() if offset >= share.next_offset}
                if left:
                    self._deaths[share.partition] = left
                else:
                    self._deaths.pop(share.partition, None)

    def values(self, share: PartitionBatch) -> list[bytes | None]:
        """The values of records with None in the place of those that nobody may look at."""
        found = self._deaths.get(share.partition) if self._deaths else None
        records = share.records
        if not found:
            return records.values
        return [None if at in found else value for at, value in zip(records.offsets, records.values, strict=True)]

    def values_of(self, batch: Batch) -> list[bytes | None]:
        """The same of a whole batch."""
        return [value for share in batch for value in self.values(share)] if self._deaths else batch.values

    def explained(self, batch: Batch, bad: Iterable[BadRecord]) -> list[BadRecord]:
        """What is bad about records of which some were None for us: the true reason in the place of that."""
        return [self._explained(batch, one) for one in bad] if self._deaths else list(bad)

    def _explained(self, batch: Batch, bad: BadRecord) -> BadRecord:
        share, index = batch.locate(bad.row)
        death = self._deaths.get(share.partition, {}).get(share.records.offsets[index])
        return bad if death is None else BadRecord(bad.row, death.stage or STAGE, ERROR_CLASS, death.message)
