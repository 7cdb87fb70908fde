"""Events of subjects that were forgotten, come again: counted as stored and gone at once, and not stored."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from etld.erasure.arrival import Coordinates
from etld.erasure.records import place
from etld.sinks.postgres import removed
from etld.sinks.postgres.removed import Removed
from etld.sinks.postgres.unwrap import connection_of, cursor_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etld.erasure.arrival import Erasures
    from etld.sinks.base import EventRows, SideConnection, Transaction
    from etld.stream import Batch

_ACCEPTED, _PARTITION, _OFFSET = "accepted_at", "kafka_partition", "kafka_offset"


class EventWork(Protocol):
    """What a batch has of rows; `forgotten` is noted."""

    batch: Batch
    rows: EventRows
    forgotten: Counter[int]


class Forgotten:
    """Knows the erasures; `load` is for the loop's thread before it writes, the rest for the writer's."""

    def __init__(self, event_type: str, erasures: Erasures) -> None:
        self._event_type = event_type
        self._erasures = erasures

    def load(self, side: SideConnection) -> None:
        """Read what is on record; raises `ErasureKeyProblem`."""
        self._erasures.load(connection_of(side))

    def left_out(
        self, transaction: Transaction, work: EventWork, encode: Callable[[Sequence[pl.DataFrame]], EventRows]
    ) -> EventRows:
        """The rows of a batch that are to be stored; the others are counted, in its transaction."""
        kept = self.kept(transaction, work)
        if not work.forgotten:
            return work.rows
        gone = {(self._event_type, number): Removed(forgotten=count) for number, count in work.forgotten.items()}
        removed.add(cursor_of(transaction), gone)
        return encode(kept)

    def kept(self, transaction: Transaction, work: EventWork) -> Sequence[pl.DataFrame]:
        """The frames of a batch without the others, whose numbers are noted."""
        work.forgotten = Counter()
        if not self._erasures.concern(transaction, lambda: _oldest(work.rows.frames)):
            return work.rows.frames
        topics = {share.partition.number: place(share.topic_id, share.partition.number) for share in work.batch}
        kept = []
        for frame in work.rows.frames:
            out = self._erasures.rows(frame, _coordinates(frame, topics)) if frame.height else []
            work.forgotten.update(frame[_PARTITION].gather(out).to_list())
            kept.append(frame.filter(~pl.int_range(pl.len()).is_in(out)) if out else frame)
        return kept


def _oldest(frames: Sequence[pl.DataFrame]) -> int:
    times: list[Any] = [frame[_ACCEPTED].dt.epoch("ms").min() for frame in frames if frame.height]
    return min(times, default=0)


def _coordinates(frame: pl.DataFrame, topics: dict[int, str]) -> Coordinates:
    return Coordinates(
        [topics[number] for number in frame[_PARTITION].to_list()],
        frame[_OFFSET].to_list(),
        frame[_ACCEPTED].dt.epoch("ms").to_list(),
    )
