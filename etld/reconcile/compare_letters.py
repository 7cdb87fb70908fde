"""Does every dead record have its letter, and every letter its place?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.config.names import CORRECTOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from etld.config.sections.services import KafkaSection
    from etld.kafka.types import Partition, Watermarks
    from etld.reconcile.counts import Counts


def compare_letters(
    counts: Counts, watermarks: Mapping[Partition, Watermarks], kafka: KafkaSection, *, in_memory_broker: bool
) -> Iterable[str]:
    """Sentences on dead letters that are missing or too many, by the topic of the dead record."""
    found = list(_by_topic(counts, watermarks, kafka.dead_letter_topic, in_memory_broker=in_memory_broker))
    yield from found
    kept = sum(row.stored for row in counts.positions if row.consumer_group == CORRECTOR)
    kept += sum(stored for (group, *_), stored in counts.ended.items() if group == CORRECTOR)
    known = counts.letters.known
    if known != kept:
        whose = "" if found else "; they are of ingest or of a producer that is not etld's"
        yield (
            f"the corrector kept {kept} dead letters, and the tables know of {known} ({known - kept:+d}):"
            f" rows of etld.dead_letter were added or deleted by somebody else{whose}"
        )
    elsewhere = any(group == CORRECTOR for group, *_ in counts.ended)
    elsewhere |= any(
        row.consumer_group == CORRECTOR and row.topic != kafka.dead_letter_topic for row in counts.positions
    )
    parked = sum(high for (topic, _), (_, high) in watermarks.items() if topic == kafka.parked_topic)
    # Another cluster, another prefix, or a queue that was made anew, has the announcements of former letters elsewhere.
    if parked < counts.letters.announced and not elsewhere and not in_memory_broker:
        yield f"{counts.letters.announced} letters were sent to {kafka.parked_topic}, and it has only {parked} records"


def _by_topic(
    counts: Counts, watermarks: Mapping[Partition, Watermarks], queue: str, *, in_memory_broker: bool
) -> Iterable[str]:
    on_the_way = _on_the_way(counts, watermarks, queue)
    for topic in sorted(counts.letters.dead_by_topic.keys() | counts.letters.by_topic.keys()):
        least, most = counts.letters.dead_by_topic.get(topic, (0, 0))
        told = counts.letters.by_topic.get(topic, 0)
        # A broker that forgets its topics may have forgotten letters that nobody had read yet.
        if told < least - on_the_way and not in_memory_broker:
            yield (
                f"{topic}: {least} records are dead, and {told} dead letters tell of them ({told - least:+d}):"
                " letters were deleted by somebody else, or lost on their way"
            )
        elif told > most:
            yield f"{topic}: {most} records are dead, and {told} dead letters tell of them ({told - most:+d})"


def _on_the_way(counts: Counts, watermarks: Mapping[Partition, Watermarks], queue: str) -> int:
    """Records of the dead letter queue that the corrector has yet to read, or that retention took before."""
    nexts = {row.partition: row for row in counts.positions if row.consumer_group == CORRECTOR and row.topic == queue}
    unread = 0
    for (topic, partition), (low, high) in watermarks.items():
        if topic == queue:
            row = nexts.get(partition)
            unread += max(0, high - (low if row is None else row.next_offset))
    return unread + sum(row.lost for row in nexts.values())
