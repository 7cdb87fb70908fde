"""A filter of event ids never misses one that was added, and seldom has one that was not."""

from __future__ import annotations

import os
import time
import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etld.sinks.postgres.deduplication.id_filter import IdFilter, as_numbers, words_for
from etld.sinks.postgres.deduplication.recent_ids import RecentIds

UUIDS = st.lists(st.binary(min_size=16, max_size=16), max_size=60)


def made(count: int) -> IdFilter:
    """An empty one for so many ids."""
    return IdFilter.empty(np.zeros(words_for(count), np.uint64))


@given(UUIDS, UUIDS, st.integers(1, 100))
def test_what_was_added_is_always_found(first: list[bytes], second: list[bytes], expected: int) -> None:
    """However many they are, for however many it was made, and in whatever pieces they came."""
    one = made(expected)
    for ids in (first, second):
        one.add(as_numbers(b"".join(ids)))
    assert one.may_have(as_numbers(b"".join(first + second))).all()


def ids(kind: str, count: int, start: int = 0) -> bytes:
    """Many ids: random, growing with time, named, or made by somebody who counts."""
    if kind == "v4":
        return os.urandom(16 * count)
    if kind == "v7":
        return b"".join((0x19A << 36 | (start + i) // 50).to_bytes(6) + os.urandom(10) for i in range(count))
    if kind == "v5":
        return b"".join(uuid.uuid5(uuid.NAMESPACE_URL, str(start + i)).bytes for i in range(count))
    return b"".join((start + i).to_bytes(8) + bytes(8) for i in range(count))


@pytest.mark.parametrize("kind", ["v4", "v7", "v5", "counted"])
def test_ids_of_any_kind_are_spread(kind: str) -> None:
    """Of others, about one in two hundred is taken for one that is there."""
    one = made(20_000)
    for start in range(0, 20_000, 5_000):
        one.add(as_numbers(ids(kind, 5_000, start)))
    others = as_numbers(ids(kind, 20_000, 1_000_000))
    assert one.may_have(others).mean() < 0.01


def test_two_filters_mix_ids_differently() -> None:
    """Whoever finds ids that fill one up has found nothing for the next."""
    one, other = made(1000), made(1000)
    same = as_numbers(ids("v4", 1000))
    one.add(same)
    other.add(same)
    assert (one.words != other.words).any()


def test_a_batch_is_looked_up_in_no_time() -> None:
    """10,000 ids among ten million, in the best of some tries: far below a millisecond on an idle machine."""
    one = made(10_000_000)
    batch = as_numbers(ids("v4", 10_000))
    one.add(batch)
    took = []
    for _ in range(20):
        began = time.perf_counter()
        one.may_have(batch)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.002


def test_recent_ids_are_the_last_million_or_more() -> None:
    """Older ones are let go, so that it stays small and sure."""
    recent = RecentIds()
    first = as_numbers(ids("v4", 1000))
    recent.add(first)
    for _ in range(10):
        recent.add(as_numbers(ids("v4", 100_000)))
    assert recent.may_have(first).all()
    for _ in range(25):
        recent.add(as_numbers(ids("v4", 100_000)))
    assert recent.may_have(first).mean() < 0.05
