"""Every sentence of `etld reconcile`, from counts made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from etld.config.names import AGGREGATOR, CORRECTOR, DEAD_LETTER_TOPIC, LAKE, PARKED_TOPIC, PROCESSOR
from etld.config.sections.services import KafkaSection
from etld.kafka.types import Partition, Watermarks
from etld.reconcile.compare import caught_up, compare
from etld.reconcile.counts import Counts, LakeCounts, LakePartitionCounts, LetterCounts
from etld.reconcile.positions import PositionCounts
from etld.sinks.postgres.removed import Removed

ORDERS = "event_order"
KAFKA = KafkaSection()
IDS = {ORDERS: "id", DEAD_LETTER_TOPIC: "id"}
MARKS = {
    Partition(ORDERS, 0): Watermarks(0, 10),
    Partition(ORDERS, 1): Watermarks(0, 5),
    Partition(DEAD_LETTER_TOPIC, 0): Watermarks(0, 3),
    Partition(PARKED_TOPIC, 0): Watermarks(0, 1),
}


def position(group: str = PROCESSOR + "order", topic: str = ORDERS, part: int = 0, **changes: Any) -> PositionCounts:
    """A position at its end: of ten records eight stored, one twice, one dead."""
    sound: dict[str, Any] = {
        "topic_id": "id", "start_offset": 0, "next_offset": 10, "consumed": 10, "stored": 8, "duplicate": 1,
        "filtered": 0, "dead": 1, "gaps": 0, "lost": 0, "halted": "",
    }  # fmt: skip
    return PositionCounts(group, topic, part, **(sound | changes))


FIVE = {"next_offset": 5, "consumed": 5, "stored": 5, "duplicate": 0, "dead": 0}
FIRST = position()
SECOND = position(part=1, **FIVE)
LETTERS = position(CORRECTOR, DEAD_LETTER_TOPIC, next_offset=3, consumed=3, stored=3, duplicate=0, dead=0)
SUMS = [position(AGGREGATOR, part=0), position(AGGREGATOR, part=1, **FIVE)]
# Three letters: one of the dead record, two of ingest; one of them parked, and told.
SOUND = Counts(
    positions=[FIRST, SECOND, LETTERS, *SUMS],
    ended={},
    rows={("order", 0): 8, ("order", 1): 5},
    removed={},
    letters_by_state={"resolved": 2, "parked": 1},
    outbox=0,
    letters=LetterCounts(known=3, unannounced=0, announced=1, dead_by_topic={ORDERS: (1, 1)}, by_topic={ORDERS: 1}),
)


def counts(first: PositionCounts = FIRST, **changes: Any) -> Counts:
    """The sound counts but for some."""
    return replace(SOUND, positions=[first, SECOND, LETTERS, *SUMS], **changes)


def letters(**changes: Any) -> Counts:
    """The sound counts but for what is known of letters."""
    return replace(SOUND, letters=replace(SOUND.letters, **changes))


def test_counts_that_agree() -> None:
    """No difference, nothing in flight, every partition of the processors told."""
    report = compare(SOUND, MARKS, IDS, KAFKA)
    assert report.differences == []
    assert (report.ok, report.in_flight, report.table_rows) == (True, 0, 13)
    assert [(one["topic"], one["partition"], one["next"]) for one in report.partitions] == [
        (ORDERS, 0, 10),
        (ORDERS, 1, 5),
    ]
    assert report.dead_letters["resolved"] == 2


def lake(*partitions: tuple[int, int], snapshot: int = 7, rows: int = 13) -> Counts:
    """With a table of orders in the lake, whose partitions have (rows, expected) as counted in a snapshot."""
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    table = LakeCounts("order", "etld.event_order", rows, 13, 2, 4096, noon, 7)
    counted = [LakePartitionCounts("order", at, *found, snapshot, noon) for at, found in enumerate(partitions)]
    position_of = position(LAKE + "order", part=0)
    return replace(SOUND, positions=[*SOUND.positions, position_of], lake=[table], lake_partitions=counted)


def test_the_lake_is_compared_by_partition() -> None:
    """Two that cancel each other out are told as well."""
    report = compare(lake((8, 8), (5, 5)), MARKS, IDS, KAFKA)
    assert report.differences == []
    assert report.lake[0]["partitions"] == [
        {"partition": 0, "rows": 8, "expected": 8},
        {"partition": 1, "rows": 5, "expected": 5},
    ]
    more, less = compare(lake((9, 8), (4, 5)), MARKS, IDS, KAFKA).differences
    assert more.startswith("event_order:0: the lake's etld.event_order has 9 rows of it, and the positions")
    assert "(+1)" in more
    assert less.startswith("event_order:1: ")
    assert "(-1)" in less


def test_of_the_lake_each_difference_is_told_once() -> None:
    """In all, where the partitions were counted earlier, or never."""
    by_partition = compare(lake((7, 8), (5, 5), rows=12), MARKS, IDS, KAFKA).differences
    assert [one.partition(" the")[0] for one in by_partition] == ["event_order:0:"]
    for earlier in (lake((8, 8), (5, 5), snapshot=6, rows=12), lake(rows=12)):
        (told,) = compare(earlier, MARKS, IDS, KAFKA).differences
        assert told.startswith("the lake's etld.event_order has 12 rows, and the positions")


def test_what_expired_and_was_forgotten_is_no_difference() -> None:
    """It is told beside what was stored."""
    gone = counts(rows={("order", 0): 3, ("order", 1): 5}, removed={("order", 0): Removed(4, 1)})
    report = compare(gone, MARKS, IDS, KAFKA)
    assert report.differences == []
    assert [(one["stored"], one["expired"], one["forgotten"]) for one in report.partitions] == [(8, 4, 1), (5, 0, 0)]


P = f"{PROCESSOR}order {ORDERS}:0"
SENTENCES = {
    "an outcome too few": (
        counts(position(dead=0), rows=SOUND.rows),
        f"{P}: consumed 10, but stored + duplicate + filtered + dead is 9",
    ),
    "a step too few": (
        counts(position(next_offset=9), letters=SOUND.letters),
        f"{P}: next - start is 9, but consumed + gaps + lost is 10",
    ),
    "a gap that is none": (
        counts(position(gaps=1)),
        f"{P}: next - start is 10, but consumed + gaps + lost is 11",
    ),
    "halted": (
        counts(position(halted="OFFSET_LOST")),
        f"{P}: stands still (OFFSET_LOST); `etld resume processor --from low {ORDERS}:0`",
    ),
    "made anew": (counts(position(topic_id="former")), f"{P}: the topic was made anew since"),
    "beyond the end": (
        counts(position(next_offset=12, consumed=12, stored=10), rows={("order", 0): 10, ("order", 1): 5}),
        f"{P}: the position 12 is beyond the end of the log 10: Kafka lost records",
    ),
    "a row too few": (
        counts(rows={("order", 0): 7, ("order", 1): 5}),
        (f"{ORDERS}:0: processed_events has 7 order rows, and the positions say 8 were stored (-1):"
        " rows were added or deleted by somebody else"),
    ),
    "a row too few beside those that expired and were forgotten": (
        counts(rows={("order", 0): 3, ("order", 1): 5}, removed={("order", 0): Removed(3, 1)}),
        (f"{ORDERS}:0: processed_events has 3 order rows, and the positions say 8 were stored, 3 of them expired since,"
        " 1 of them forgotten since (-1): rows were added or deleted by somebody else"),
    ),
    "forgotten of nothing": (
        counts(removed={("gift", 2): Removed(forgotten=1)}),
        ("gift:2: processed_events has 0 gift rows, and the positions say 0 were stored, 1 of them forgotten since"
        " (+1): rows were added or deleted by somebody else"),
    ),
    "a row too many": (
        counts(rows={("order", 0): 8, ("order", 1): 6}),
        (f"{ORDERS}:1: processed_events has 6 order rows, and the positions say 5 were stored (+1):"
        " rows were added or deleted by somebody else"),
    ),
    "a row of a type that nobody stores": (
        counts(rows={**SOUND.rows, ("gift", 2): 1}),
        ("gift:2: processed_events has 1 gift rows, and the positions say 0 were stored (+1):"
        " rows were added or deleted by somebody else"),
    ),
    "rows of an earlier life that are gone": (
        counts(ended={(PROCESSOR + "order", ORDERS, 0): 4}),
        (f"{ORDERS}:0: processed_events has 8 order rows, and the positions say 12 were stored (-4):"
        " rows were added or deleted by somebody else"),
    ),
    "a letter too few": (
        letters(known=2, by_topic={}),
        (f"{ORDERS}: 1 records are dead, and 0 dead letters tell of them (-1): letters were deleted by somebody else,"
        " or lost on their way"),
    ),
    "a letter too many": (
        letters(known=4, by_topic={ORDERS: 2}),
        f"{ORDERS}: 1 records are dead, and 2 dead letters tell of them (+1)",
    ),
    "a letter of ingest too few": (
        letters(known=2),
        ("the corrector kept 3 dead letters, and the tables know of 2 (-1): rows of etld.dead_letter were added or"
        " deleted by somebody else; they are of ingest or of a producer that is not etld's"),
    ),
    "an announcement that is gone": (
        letters(announced=2),
        f"2 letters were sent to {PARKED_TOPIC}, and it has only 1 records",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SENTENCES)
def test_a_difference_is_told(name: str) -> None:
    """By the sentence that names its place."""
    wrong, sentence = SENTENCES[name]
    report = compare(wrong, MARKS, IDS, KAFKA)
    assert sentence in report.differences
    # A letter that is missed is missed twice: where it came from, and in the queue's count.
    assert len(report.differences) == (2 if "letter too" in name and "ingest" not in name else 1)
    assert not report.ok


def test_a_row_in_the_place_of_another() -> None:
    """The same number of rows in all hides neither the one that is gone nor the one that was made up."""
    report = compare(counts(rows={("order", 0): 7, ("order", 1): 5, ("gift", 0): 1}), MARKS, IDS, KAFKA)
    assert [one.partition(":")[0] for one in report.differences] == ["gift", ORDERS]


def test_retention_deleted_what_nobody_had_read() -> None:
    """Also before a worker has come upon it and stands still."""
    marks = {**MARKS, Partition(ORDERS, 0): Watermarks(14, 20)}
    expected = "retention deleted 4 records before they were read (10 to 13)"
    assert compare(SOUND, marks, IDS, KAFKA).differences == [f"{P}: {expected}", f"{AGGREGATOR} {ORDERS}:0: {expected}"]
    lost = position(next_offset=14, lost=4)
    assert compare(replace(SOUND, positions=[lost, SECOND, LETTERS]), marks, IDS, KAFKA).differences == []


def test_earlier_lives_count() -> None:
    """A partition that was begun again has the rows of both."""
    again = counts(ended={(PROCESSOR + "order", ORDERS, 0): 4}, rows={("order", 0): 12, ("order", 1): 5})
    assert compare(again, MARKS, IDS, KAFKA).ok


def test_what_is_on_its_way_is_no_difference() -> None:
    """Unread records, letters in the outbox and in hand, and parked ones not yet told."""
    marks = {
        **MARKS,
        Partition(ORDERS, 0): Watermarks(0, 12),
        Partition(ORDERS, 7): Watermarks(0, 1),
        Partition(DEAD_LETTER_TOPIC, 0): Watermarks(0, 4),
    }
    busy = replace(
        SOUND,
        outbox=1,
        letters_by_state={"new": 1, "resent": 1, "parked": 1},
        letters=replace(SOUND.letters, unannounced=1, announced=0),
    )
    report = compare(busy, marks, IDS, KAFKA)
    assert report.differences == []
    assert report.in_flight == 2 + 1 + 1 + 1 + 2 + 1


def test_a_letter_that_nobody_has_read_yet_is_not_missed() -> None:
    """It is in the queue; a broker that forgets its topics may have forgotten it."""
    wanting = letters(dead_by_topic={ORDERS: (2, 2)})
    assert compare(wanting, MARKS, IDS, KAFKA).differences != []
    assert compare(wanting, {**MARKS, Partition(DEAD_LETTER_TOPIC, 0): Watermarks(0, 4)}, IDS, KAFKA).differences == []
    assert compare(wanting, MARKS, IDS, KAFKA, in_memory_broker=True).differences == []


@pytest.mark.parametrize("left_out", [FIRST, SUMS[1]], ids=["a processor's", "the aggregator's"])
def test_caught_up_means_every_group_in_every_partition(left_out: PositionCounts) -> None:
    """A position that is missing or behind is behind, unless there is nothing to read."""
    assert caught_up(SOUND, MARKS, KAFKA)
    without = [row for row in SOUND.positions if row is not left_out]
    assert not caught_up(replace(SOUND, positions=without), MARKS, KAFKA)
    behind = replace(left_out, next_offset=left_out.next_offset - 1)
    assert not caught_up(replace(SOUND, positions=[*without, behind]), MARKS, KAFKA)
    empty = {**MARKS, Partition(ORDERS, left_out.partition): Watermarks(0, 0)}
    assert caught_up(replace(SOUND, positions=without), empty, KAFKA)
    assert not caught_up(replace(SOUND, positions=[]), MARKS, KAFKA)


def test_a_prefix_is_in_every_name() -> None:
    """The database has the groups without it; of a former prefix nothing is missed."""
    stage = KafkaSection(prefix="stage-")
    topic, queue, parked = f"stage-{ORDERS}", "stage-dead_letter_queue", "stage-parked_events"
    marks = {Partition(topic, 0): Watermarks(0, 10), Partition(queue, 0): Watermarks(0, 3)}
    own = [position(topic=topic), position(AGGREGATOR, topic), replace(LETTERS, topic=queue)]
    told = LetterCounts(known=3, unannounced=0, announced=1, dead_by_topic={topic: (1, 1)}, by_topic={topic: 1})
    found = replace(SOUND, positions=own, rows={("order", 0): 8}, letters=told)
    ids = {topic: "id", queue: "id"}
    assert compare(found, {**marks, Partition(parked, 0): Watermarks(0, 1)}, ids, stage).differences == []
    assert compare(found, marks, ids, stage).differences == [
        f"1 letters were sent to {parked}, and it has only 0 records"
    ]
    wrong = replace(found, positions=[replace(own[0], gaps=1), *own[1:]])
    (text,) = compare(wrong, {**marks, Partition(parked, 0): Watermarks(0, 1)}, ids, stage).differences
    assert text.startswith(f"stage-{PROCESSOR}order {topic}:0: next - start is 10")
    former = replace(LETTERS, next_offset=0, consumed=0, stored=0)
    before = replace(found, positions=[*own, former])
    assert compare(before, marks, ids, stage).differences == []
    assert caught_up(found, marks, stage)
