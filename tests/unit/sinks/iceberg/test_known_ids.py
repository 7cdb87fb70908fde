"""Which events a table has: as a plain set of ids with times says, however they came."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from etld.sinks.iceberg.known_ids import TableIds

SECOND = 1_000_000
WINDOW = 100.0


class Plain:
    """The rule, one after the other."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], list[int]] = {}

    def batch(self, ids: list[tuple[int, int]], accepted: list[int]) -> list[bool]:
        gone = []
        for key, when in zip(ids, accepted, strict=True):
            before = self.known.setdefault(key, [])
            gone.append(any(abs(one - when) <= WINDOW * SECOND for one in before))
            if not gone[-1]:
                before.append(when)
        return gone


@pytest.mark.parametrize("seed", range(6))
def test_ids_are_found_within_their_window(tmp_path: Path, seed: int) -> None:
    """Over many commits, whose runs are put together, small and mapped ones."""
    pick = random.Random(seed)
    table, plain = TableIds(WINDOW, tmp_path, large=200), Plain()
    for step in range(40):
        # Few first halves, so that ids differ in the second one alone.
        ids = [(pick.randrange(30), pick.randrange(12)) for _ in range(pick.randrange(1, 80))]
        accepted = [int((step * 10 + pick.uniform(0, 20)) * SECOND) for _ in ids]
        numbers, times = np.array(ids, np.uint64).reshape(-1, 2), np.array(accepted, np.int64)
        gone = table.repeated(numbers, times)
        found = [False] * len(ids) if gone is None else gone.tolist()
        assert found == plain.batch(ids, accepted), f"step {step}"
        kept = ~np.array(found)
        table.wrote(None, None, [(numbers[kept], times[kept])])
    assert list(tmp_path.iterdir()), "no run was mapped"
    table.close()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_table_knows_nothing() -> None:
    ids = np.array([[1, 2], [1, 3]], np.uint64)
    assert TableIds(WINDOW).repeated(ids, np.zeros(2, np.int64)) is None
