"""Sorting what was polled: positions move over exactly what is there."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etld.kafka.memory import StoredMessage
from etld.kafka.ports import Polled
from etld.kafka.records import by_partition
from etld.kafka.types import Partition
from etld.stream.batch import Batch, Owned, next_batch, up_to

TOPIC = "event_purchase"


def key(number: int) -> Partition:
    return Partition(TOPIC, number)


def polled(*at: tuple[int, int], ends: dict[Partition, int] | None = None) -> Polled:
    """Records at partitions and offsets, each of which says where it is."""
    messages = [StoredMessage(key(number), offset, None, f"{number}/{offset}".encode(), (), 0) for number, offset in at]
    return Polled(by_partition(messages), ends or {})


def test_moves_cover_records_and_gaps() -> None:
    """Offsets between position and last record that hold nothing are gaps."""
    owned = {key(0): Owned("id", 3, 10)}
    batch = next_batch(polled((0, 10), (0, 13)), owned)
    assert batch is not None
    (move,) = batch.advances
    assert (move.expected, move.next, move.consumed, move.gaps, move.epoch) == (10, 14, 2, 2, 3)
    assert owned[key(0)].next == 14


def test_end_of_partition_passes_trailing_markers() -> None:
    """A partition that ends in transaction markers is read to its end."""
    owned = {key(0): Owned("id", 1, 5)}
    batch = next_batch(polled((0, 5), ends={key(0): 8}), owned)
    assert batch is not None
    assert (batch.advances[0].next, batch.advances[0].gaps) == (8, 2)
    assert next_batch(polled(ends={key(0): 8}), owned) is None


def test_what_is_not_owned_or_was_read_is_left_out() -> None:
    """A record before the position, or of a partition that is somebody else's, is not counted."""
    owned = {key(0): Owned("id", 1, 5)}
    batch = next_batch(polled((0, 4), (0, 5), (1, 0)), owned)
    assert batch is not None
    assert batch.values == [b"0/5"]


@given(
    st.dictionaries(st.integers(0, 3), st.integers(1, 20), min_size=1),
    st.data(),
)
def test_split_loses_nothing(sizes: dict[int, int], data: st.DataObject) -> None:
    """Head and tail together are the batch: rows, coordinates and positions."""
    owned = {key(part): Owned("id", 1, 0) for part in sizes}
    whole = next_batch(polled(*((p, o) for p, n in sizes.items() for o in range(n))), owned)
    assert whole is not None
    if whole.count < 2:
        return
    at = data.draw(st.integers(1, whole.count - 1))
    head, tail = whole.split(at)
    assert head.count == at
    assert head.values + tail.values == whole.values
    steps: dict[Partition, int] = {}
    for move in [*head.advances, *tail.advances]:
        assert move.expected == steps.get(move.partition, 0)
        steps[move.partition] = move.next
    assert steps == {m.partition: m.next for m in whole.advances}
    for row in range(whole.count):
        part, index = whole.locate(row)
        assert part.records.values[index] == whole.values[row]


def test_without_drops_a_partition() -> None:
    """A revoked partition leaves the batch, the others stay."""
    owned = {key(0): Owned("id", 1, 0), key(1): Owned("id", 1, 0)}
    batch = next_batch(polled((0, 0), (1, 0)), owned)
    assert isinstance(batch, Batch)
    rest = batch.without([key(0)])
    assert rest is not None
    assert rest.values == [b"1/0"]
    assert rest.without([key(1)]) is None


@pytest.mark.parametrize(
    ("until", "step"),
    [
        (5, None),
        (6, (5, 6, 1)),
        (8, (5, 8, 2)),  # 7 is a gap, as the record behind it shows
        (9, (5, 9, 3)),
        (12, (5, 11, 4)),
    ],
)
def test_up_to_takes_nothing_behind_an_offset(until: int, step: tuple[int, int, int] | None) -> None:
    """And what is left is a step to that offset at most."""
    owned = {key(0): Owned("id", 1, 5)}
    batch = next_batch(up_to(polled((0, 5), (0, 6), (0, 8), (0, 10)), {key(0): until}), owned)
    if step is None:
        assert batch is None
        assert owned[key(0)].next == 5
        return
    assert batch is not None
    [move] = batch.advances
    assert (move.expected, move.next, move.consumed) == step


class Odd(StoredMessage):
    """The client library's, where the name of a header is no UTF-8: it says so once, and shows a null pointer then."""

    hidden: ClassVar[set[int]] = set()

    def headers(self) -> list[tuple[str, bytes]] | None:
        if self.at not in self.hidden and self.at % 2:
            return [(b"\xff".decode(), b"")]
        return [] if self.at % 2 else [("name", b"value")]

    def set_headers(self, headers: list[tuple[str, bytes]]) -> None:
        assert headers == []
        self.hidden.add(self.at)


def test_headers_that_the_client_cannot_show_are_none() -> None:
    """And those of other records are what they are; however often they are asked for."""
    (records,) = by_partition([Odd(key(0), at, None, b"", (), 0) for at in range(6)]).values()
    assert records.record(1).headers == ()
    assert Odd.hidden == {1}
    for _ in range(2):
        assert [one or None for one in records.headers()] == [[("name", b"value")], None] * 3
        assert Odd.hidden == {1, 3, 5}
        assert records.header("name") == {0: b"value", 2: b"value", 4: b"value"}
    assert records.record(0).headers == (("name", b"value"),)
