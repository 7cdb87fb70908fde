"""Compare what Kafka holds with what the database says became of it.

Two equations hold for every partition of every consumer group, at any moment:
`consumed = stored + duplicate + filtered + dead` and `next - start = consumed + gaps + lost`. A third holds between the
processors' positions and the table: `rows = stored - expired - forgotten`, by event type and partition.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from etld.config.names import AGGREGATOR, CORRECTOR, LAKE, PROCESSOR
from etld.kafka.types import Partition, Watermarks
from etld.reconcile.compare_letters import compare_letters
from etld.reconcile.report import Report
from etld.sinks.postgres.removed import Removed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from etld.config.sections.services import KafkaSection
    from etld.reconcile.counts import Counts
    from etld.reconcile.positions import PositionCounts


def compare(
    counts: Counts,
    watermarks: Mapping[Partition, Watermarks],
    topic_ids: Mapping[str, str],
    kafka: KafkaSection,
    *,
    in_memory_broker: bool = False,
) -> Report:
    """Check the counts against the topics; `kafka` names those of dead letters, and the groups."""
    report = Report(table_rows=sum(counts.rows.values()))
    report.dead_letters = {
        state: counts.letters_by_state.get(state, 0)
        for state in ("new", "repaired", "resent", "resolved", "parked", "discarded")
    }
    waiting = 0
    for row in counts.positions:
        low, high = watermarks.get(Partition(row.topic, row.partition), Watermarks(row.start_offset, row.next_offset))
        if in_memory_broker:
            high = max(high, row.next_offset)
        report.differences += _equations(
            f"{kafka.prefixed(row.consumer_group)} {row.topic}:{row.partition}",
            row,
            low,
            high,
            topic_ids.get(row.topic),
        )
        if row.consumer_group.startswith(PROCESSOR):
            event_type = row.consumer_group.removeprefix(PROCESSOR)
            gone = counts.removed.get((event_type, row.partition), Removed())
            report.partitions.append(_partition(row, low, high, gone))
        if row.consumer_group.startswith(PROCESSOR) or row.consumer_group == CORRECTOR:
            waiting += max(0, high - row.next_offset)
    known = {
        Partition(row.topic, row.partition)
        for row in counts.positions
        if row.consumer_group != AGGREGATOR and not row.consumer_group.startswith(LAKE)
    }
    for partition, (low, high) in watermarks.items():
        if partition not in known and partition.topic != kafka.parked_topic and high > low:
            waiting += high - low
    open_letters = sum(report.dead_letters[state] for state in ("new", "repaired", "resent"))
    report.in_flight = waiting + counts.outbox + open_letters + counts.letters.unannounced
    report.differences += _table(counts)
    report.differences += _lake(counts, report)
    report.differences += compare_letters(counts, watermarks, kafka, in_memory_broker=in_memory_broker)
    return report


def _lake(counts: Counts, report: Report) -> Iterable[str]:
    topics = {
        row.consumer_group.removeprefix(LAKE): row.topic
        for row in counts.positions
        if row.consumer_group.startswith(LAKE)
    }
    for one in counts.lake:
        partitions = [row for row in counts.lake_partitions if row.event_type == one.event_type]
        report.lake.append(
            {
                "table": one.table,
                "event_type": one.event_type,
                "rows": one.rows,
                "files": one.files,
                "bytes": one.bytes,
                "committed_at": one.committed_at.isoformat(),
                "counted_at": min((row.counted_at.isoformat() for row in partitions), default=None),
                "partitions": [
                    {"partition": row.partition, "rows": row.rows, "expected": row.expected} for row in partitions
                ],
            }
        )
        off = [row for row in partitions if row.rows != row.expected]
        for row in off:
            where = f"{topics.get(one.event_type, one.event_type)}:{row.partition}"
            yield f"{where}: the lake's {one.table} has {row.rows} rows of it{_not_as_expected(row.rows, row.expected)}"
        # Those were counted a while ago, perhaps.
        if one.rows != one.expected and not any(row.snapshot_id == one.snapshot_id for row in off):
            yield f"the lake's {one.table} has {one.rows} rows{_not_as_expected(one.rows, one.expected)}"


def _not_as_expected(rows: int, expected: int) -> str:
    return (
        f", and the positions of the same snapshot account for {expected} ({rows - expected:+d}): rows were added or"
        " deleted by somebody else"
    )


def _table(counts: Counts) -> Iterable[str]:
    stored, topics = _stored(counts)
    for (event_type, part), off in sorted(rows_off(counts).items()):
        gone = counts.removed.get((event_type, part), Removed())
        names = (("expired", gone.expired), ("forgotten", gone.forgotten))
        less = "".join(f", {count} of them {name} since" for name, count in names if count)
        rows = counts.rows.get((event_type, part), 0)
        yield (
            f"{topics.get(event_type, event_type)}:{part}: processed_events has {rows} {event_type} rows, and the"
            f" positions say {stored[(event_type, part)]} were stored{less} ({off:+d}): rows"
            " were added or deleted by somebody else"
        )


def rows_off(counts: Counts) -> dict[tuple[str, int], int]:
    """How many rows are too many, or too few (below 0), by event type and partition; those that agree are left out.

    Each row names the type and the partition that it came from, and so does each position.
    """
    stored, _ = _stored(counts)
    off: Counter[tuple[str, int]] = Counter(counts.rows)
    off.subtract(stored)
    off.update({key: gone.expired + gone.forgotten for key, gone in counts.removed.items()})
    return {key: number for key, number in off.items() if number}


def _stored(counts: Counts) -> tuple[Counter[tuple[str, int]], dict[str, str]]:
    """What the processors' positions say was stored, by event type and partition; and the topic of each type."""
    stored: Counter[tuple[str, int]] = Counter()
    topics: dict[str, str] = {}
    lives = [(row.consumer_group, row.topic, row.partition, row.stored) for row in counts.positions]
    for group, topic, part, count in [*((*key, count) for key, count in counts.ended.items()), *lives]:
        if group.startswith(PROCESSOR):
            event_type = group.removeprefix(PROCESSOR)
            topics[event_type] = topic
            stored[(event_type, part)] += count
    return stored, topics


def _equations(where: str, row: PositionCounts, low: int, high: int, topic_id: str | None) -> Iterable[str]:
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


def _partition(row: PositionCounts, low: int, high: int, gone: Removed) -> dict[str, Any]:
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
        "expired": gone.expired,
        "forgotten": gone.forgotten,
        "gaps": row.gaps,
        "lost": row.lost,
        "rewound": row.rewound,
    }


def caught_up(counts: Counts, watermarks: Mapping[Partition, Watermarks], kafka: KafkaSection) -> bool:
    """Have processors and the aggregator read everything that the topics of events hold?"""
    for prefix in (PROCESSOR, AGGREGATOR):
        nexts: dict[Partition, int] = {}
        for row in counts.positions:
            if row.consumer_group.startswith(prefix):
                partition = Partition(row.topic, row.partition)
                nexts[partition] = min(row.next_offset, nexts.get(partition, row.next_offset))
        # A partition without a position was not read yet, from its low end on.
        for partition, (low, high) in watermarks.items():
            if (
                partition.topic not in (kafka.dead_letter_topic, kafka.parked_topic)
                and nexts.get(partition, low) < high
            ):
                return False
    return True
