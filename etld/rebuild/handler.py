"""What a rebuild does with a batch: as the processor, but into the shadow."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import polars as pl

from etld.processor.handler import ProcessorHandler, Rows, changes
from etld.rebuild import shadow
from etld.sinks.postgres.unwrap import cursor_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from etld.kafka.types import Partition
    from etld.sinks.base import RecordCounts, SideConnection, Transaction, Verdict
    from etld.worker import Worker

#: Its consumer group, without "etld-"; the event type stands behind it.
GROUP = "rebuild-"


class RebuildHandler(ProcessorHandler):
    """Puts one event type's records into the shadow, each once; those accepted before `cut` are left out.

    They count as duplicates, and so do those of subjects that were forgotten: they were stored once.
    """

    reports_totals = False

    def __init__(self, worker: Worker, cut: datetime | None) -> None:
        super().__init__(worker)
        assert worker.event_type is not None
        self.group = f"{GROUP}{worker.event_type}"
        self._cut = cut
        self._shadow = shadow.Shadow(worker.config.storage.dedup_window)

    def start(self, side: SideConnection) -> None:
        """See `BatchHandler`; no filters are made."""
        self.open(side)

    def write(self, transaction: Transaction, work: Rows, verdict: Verdict | None) -> Mapping[Partition, RecordCounts]:
        """Rows and dead letters; the table and the outbox have them when the shadow replaces."""
        work.duplicates = work.refused = 0
        frames = self._forgotten.kept(transaction, work)
        work.forgotten = Counter()
        if self._cut is not None:
            frames = [frame.filter(pl.col("accepted_at") >= self._cut) for frame in frames]
        found = self._shadow.add(cursor_of(transaction), frames)
        shadow.add_letters(cursor_of(transaction), work.letters + self.refused(work, found.refused))
        return changes(work, found)

    def committed(self, work: Rows) -> None:
        """Nothing: whoever runs it says how far it is."""

    def blocked_by(self) -> str | None:
        """No breaker: what is dead is dead already."""
        return None

    def limit(self, work: Rows) -> int | None:
        """No breaker."""
        return None

    def daemon(self) -> str:
        """It is none."""
        return "0"

    def daemons(self, side: SideConnection) -> None:
        """Its group has no other member."""

    def idle(self, side: SideConnection) -> None:
        """Nothing: the processors relay what they have."""
