"""Compare what Kafka holds with what the database says became of it.

Two equations hold for every partition of every consumer group, at any moment:
`consumed = stored + duplicate + filtered + dead` and `next - start = consumed + gaps + lost`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etld.deadletters.letter_headers import DEAD_LETTER_TOPIC, PARKED_TOPIC
from etld.reconcile.letters import CORRECTOR, compare_letters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from etld.reconcile.accounting import Books, PositionRow

PROCESSOR = "etld-processor-"
AGGREGATOR = "etld-aggregator"


@dataclass
class Report:
    """The answer of `etld reconcile`; `differences` are sentences."""

    partitions: list[dict[str, Any]] = field(default_factory=list)
    table_rows: int = 0
    dead_letters: dict[str, int] = field(default_factory=dict)
    in_flight: int = 0
    summaries: list[dict[str, Any]] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Was no difference found?"""
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        """The shape that programs rely on."""
        return {
            "ok": self.ok,
            "partitions": self.partitions,
            "table_rows": self.table_rows,
            "dead_letters": self.dead_letters,
            "in_flight": self.in_flight,
            "summaries": self.summaries,
            "differences": self.differences,
        }


def compare(
    books: Books,
    watermarks: Mapping[tuple[str, int], tuple[int, int]],
    topic_ids: Mapping[str, str],
    *,
    in_memory_broker: bool = False,
) -> Report:
    """Check the books against the topics. `watermarks` maps (topic, partition) to (low, high)."""
    report = Report(table_rows=sum(books.rows.values()))
    report.dead_letters = {
        state: books.letters_by_state.get(state, 0)
        for state in ("new", "repaired", "resent", "resolved", "parked", "discarded")
    }
    waiting = 0
    for row in books.positions:
        low, high = watermarks.get((row.topic, row.partition), (row.start_offset, row.next_offset))
        if in_memory_broker:
            high = max(high, row.next_offset)
        report.differences += _equations(row, low, high, topic_ids.get(row.topic))
        if row.consumer_group.startswith(PROCESSOR):
            report.partitions.append(_partition(row, low, high))
        if row.consumer_group.startswith(PROCESSOR) or row.consumer_group == CORRECTOR:
            waiting += max(0, high - row.next_offset)
    known = {(row.topic, row.partition) for row in books.positions if row.consumer_group != AGGREGATOR}
    for key, (low, high) in watermarks.items():
        if key not in known and key[0] != PARKED_TOPIC and high > low:
            waiting += high - low
    open_letters = sum(report.dead_letters[state] for state in ("new", "repaired", "resent"))
    report.in_flight = waiting + books.outbox + open_letters + books.letters.unannounced
    report.differences += _table(books)
    report.differences += compare_letters(books, watermarks, in_memory_broker=in_memory_broker)
    return report


def _table(books: Books) -> Iterable[str]:
    """Each row names the type and the partition that it came from, and so does each position."""
    stored: Counter[tuple[str, int]] = Counter()
    topics: dict[str, str] = {}
    lives = [(row.consumer_group, row.topic, row.partition, row.stored) for row in books.positions]
    for group, topic, part, count in [*((*key, count) for key, count in books.ended.items()), *lives]:
        if group.startswith(PROCESSOR):
            event_type = group.removeprefix(PROCESSOR)
            topics[event_type] = topic
            stored[(event_type, part)] += count
    for event_type, part in sorted(stored.keys() | books.rows.keys()):
        rows, said = books.rows.get((event_type, part), 0), stored[(event_type, part)]
        if rows != said:
            yield (
                f"{topics.get(event_type, event_type)}:{part}: processed_events has {rows} {event_type} rows, and the"
                f" positions say {said} were stored ({rows - said:+d}): rows were added or deleted by somebody else"
            )


def _equations(row: PositionRow, low: int, high: int, topic_id: str | None) -> Iterable[str]:
    where = f"{row.consumer_group} {row.topic}:{row.partition}"
    outcome = row.stored + row.duplicate + row.filtered + row.dead
    if row.consumed != outcome:
        yield f"{where}: consumed {row.consumed}, but stored + duplicate + filtered + dead is {outcome}"
    span = row.next_offset - row.start_offset
    if span != row.consumed + row.gaps + row.lost:
        yield (f"{where}: next - start is {span}, but consumed + gaps + lost is {row.consumed + row.gaps + row.lost}")
    if row.halted:
        yield f"{where}: stands still ({row.halted}); `etld resume processor --from low {row.topic}:{row.partition}`"
    elif topic_id is not None and topic_id != row.topic_id:
        yield f"{where}: the topic was made anew since"
    elif row.next_offset > high:
        yield f"{where}: the position {row.next_offset} is beyond the end of the log {high}: Kafka lost records"
    elif row.next_offset < low:
        lost = low - row.next_offset
        yield f"{where}: retention deleted {lost} records before they were read ({row.next_offset} to {low - 1})"


def _partition(row: PositionRow, low: int, high: int) -> dict[str, Any]:
    return {
        "topic": row.topic,
        "partition": row.partition,
        "low": low,
        "high": high,
        "start": row.start_offset,
        "next": row.next_offset,
        "consumed": row.consumed,
        "stored": row.stored,
        "duplicate": row.duplicate,
        "filtered": row.filtered,
        "dead": row.dead,
        "gaps": row.gaps,
        "lost": row.lost,
    }


def caught_up(books: Books, watermarks: Mapping[tuple[str, int], tuple[int, int]]) -> bool:
    """Have processors and the aggregator read everything that the topics of events hold?"""
    for prefix in (PROCESSOR, AGGREGATOR):
        nexts: dict[tuple[str, int], int] = {}
        for row in books.positions:
            if row.consumer_group.startswith(prefix):
                key = (row.topic, row.partition)
                nexts[key] = min(row.next_offset, nexts.get(key, row.next_offset))
        # A partition without a position was not read yet, from its low end on.
        for key, (low, high) in watermarks.items():
            if key[0] not in (DEAD_LETTER_TOPIC, PARKED_TOPIC) and nexts.get(key, low) < high:
                return False
    return True
